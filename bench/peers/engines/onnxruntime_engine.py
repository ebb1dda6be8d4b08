"""ONNX Runtime over torch's own export, with all of its graph optimizations."""

PACKAGES = ["onnxruntime"]
CONVERTER_PACKAGES = ["onnx", "onnxscript", "torch", "transformers"]


def convert_onnx(directory, target):
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory / "hf", attn_implementation="sdpa").eval()
    ids = torch.randint(5, 1000, (2, 24))
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.inference_mode():
        torch.onnx.export(model, (), target / "model.onnx",
                          kwargs={"input_ids": ids, "attention_mask": mask},
                          input_names=["input_ids", "attention_mask"], output_names=["logits"],
                          dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                          dynamo=True, external_data=False)


def convert_int8(directory, target):
    import onnx
    from onnxruntime import quantization

    model = onnx.load(directory / "onnxruntime-onnx" / "model.onnx")
    del model.graph.value_info[:]  # the export's shapes contradict those of the quantizer
    quantization.quantize_dynamic(model, target / "model.onnx", per_channel=True,
                                  weight_type=quantization.QuantType.QInt8)


REQUIRES = {"int8": "onnx"}  # conversions that start from another one


class Engine:
    def __init__(self, directory, threads, precision):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        files = {"fp32": "onnxruntime-onnx", "int8": "onnxruntime-int8"}[precision]
        self.session = onnxruntime.InferenceSession(
            directory / files / "model.onnx", options, providers=["CPUExecutionProvider"])

    def prepare(self, batch):
        session, inputs = self.session, {"input_ids": batch.ids, "attention_mask": batch.mask}
        return lambda: session.run(["logits"], inputs)[0]

    def logits(self, answer):
        return answer
