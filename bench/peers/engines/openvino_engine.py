"""OpenVINO over its own conversion of the torch model, tuned for the latency of one request."""

PACKAGES = ["openvino"]
CONVERTER_PACKAGES = ["torch", "transformers"]


def convert_ir(directory, target):
    import openvino
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory / "hf", attn_implementation="sdpa").eval()
    ids = torch.randint(5, 1000, (2, 24))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    with torch.inference_mode():
        converted = openvino.convert_model(
            model, example_input={"input_ids": ids, "attention_mask": mask},
            input=[("input_ids", [-1, -1]), ("attention_mask", [-1, -1])])
    openvino.save_model(converted, target / "model.xml", compress_to_fp16=False)


class Engine:
    def __init__(self, directory, threads, precision):
        import openvino

        self.request = openvino.Core().compile_model(
            directory / "openvino-ir" / "model.xml", "CPU",
            {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads,
             "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
             "CACHE_DIR": directory / "openvino-cache"},  # compiled models: it starts sooner
        ).create_infer_request()

    def prepare(self, batch):
        request, inputs = self.request, {"input_ids": batch.ids, "attention_mask": batch.mask}

        def run():
            request.infer(inputs, share_inputs=True)
            return request.get_output_tensor(0).data.copy()

        return run

    def logits(self, answer):
        return answer
