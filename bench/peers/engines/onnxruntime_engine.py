"""ONNX Runtime over torch's export, with all of its graph optimizations made beforehand."""

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


def convert_fp32(directory, target):
    _optimize(directory / "onnxruntime-onnx" / "model.onnx", target)


def convert_int8(directory, target):
    import onnx
    from onnxruntime import quantization

    model = onnx.load(directory / "onnxruntime-onnx" / "model.onnx")
    del model.graph.value_info[:]  # the export's shapes contradict those of the quantizer
    plain = target / "plain.onnx"
    quantization.quantize_dynamic(model, plain, per_channel=True,
                                  weight_type=quantization.QuantType.QInt8)
    _optimize(plain, target)
    plain.unlink()


REQUIRES = {"fp32": "onnx", "int8": "onnx"}  # conversions that start from another one


def _optimize(source, target):
    """Stores the graph as this machine's runtime would rewrite it: it loads sooner."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target / "model.onnx")
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


class Engine:
    def __init__(self, folder, threads, precision):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def prepare(self, batch):
        session, inputs = self.session, {"input_ids": batch.ids, "attention_mask": batch.mask}
        return lambda: session.run(["logits"], inputs)[0]

    def logits(self, answer):
        return answer
