"""OpenVINO over its own conversion of the torch model, tuned for the latency of one request."""

PACKAGES = ["openvino"]
CONVERTER_PACKAGES = ["nncf", "torch", "transformers"]


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


def convert_static(directory, target):
    """Post-training quantization by NNCF: transformers' scheme, which includes SmoothQuant, over
    300 inputs of the lengths of sentences."""
    import nncf
    import numpy
    import openvino

    rng = numpy.random.default_rng(0)
    inputs = []
    for length in rng.integers(8, 67, 300):
        ids = rng.integers(1000, 30000, (1, length))
        inputs.append({"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
    model = openvino.Core().read_model(directory / "openvino-ir" / "model.xml")
    quantized = nncf.quantize(model, nncf.Dataset(inputs), subset_size=len(inputs),
                              model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(quantized, target / "model.xml", compress_to_fp16=False)


def convert_dynamic(directory, target):
    """INT8 weights; activations are quantised while it runs."""
    import nncf
    import openvino

    model = openvino.Core().read_model(directory / "openvino-ir" / "model.xml")
    compressed = nncf.compress_weights(model)
    openvino.save_model(compressed, target / "model.xml", compress_to_fp16=False)


REQUIRES = {"static": "ir", "dynamic": "ir"}  # conversions that start from another one


class Engine:
    def __init__(self, folder, threads, precision):
        import openvino

        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                    "INFERENCE_NUM_THREADS": threads,
                    "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                    "CACHE_DIR": folder.parent / "openvino-cache"}  # compiled: it starts sooner
        if folder.name == "openvino-dynamic":
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 32
        self.request = openvino.Core().compile_model(
            folder / "model.xml", "CPU", settings).create_infer_request()

    def prepare(self, batch):
        request, inputs = self.request, {"input_ids": batch.ids, "attention_mask": batch.mask}

        def run():
            request.infer(inputs, share_inputs=True)
            return request.get_output_tensor(0).data.copy()

        return run

    def logits(self, answer):
        return answer
