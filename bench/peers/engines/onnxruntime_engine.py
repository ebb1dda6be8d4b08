"""ONNX Runtime over torch's export, with all of its graph optimizations made beforehand."""

import shutil

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


def convert_generator_onnx(directory, target):
    """Keys and values as inputs and outputs; the logits of the last token only."""
    import numpy
    import onnx
    from optimum.exporters.onnx import main_export

    main_export(str(directory / "hf"), target / "all", task="text-generation-with-past",
                no_post_process=True, do_validation=False)
    model = onnx.load(target / "all" / "model.onnx")
    node = _producer(model, "logits")
    while node.op_type != "MatMul":
        node = _producer(model, node.input[0])
    hidden = node.input[0]
    for name, value in [("last_begin", -1), ("last_end", 2 ** 31 - 1), ("last_axis", 1)]:
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(numpy.array([value], numpy.int64), name))
    node.input[0] = "last_hidden"
    at = list(model.graph.node).index(node)
    model.graph.node.insert(at, onnx.helper.make_node(
        "Slice", [hidden, "last_begin", "last_end", "last_axis"], ["last_hidden"]))
    onnx.save(model, target / "model.onnx")
    shutil.rmtree(target / "all")


def _producer(model, name):
    return next(node for node in model.graph.node if name in node.output)


def convert_generator_fp32(directory, target):
    _optimize(directory / "onnxruntime-generator_onnx" / "model.onnx", target)


def convert_generator_int8(directory, target):
    from onnxruntime import quantization

    plain = target / "plain.onnx"
    quantization.quantize_dynamic(
        directory / "onnxruntime-generator_onnx" / "model.onnx", plain, per_channel=True,
        weight_type=quantization.QuantType.QInt8)
    _optimize(plain, target)
    plain.unlink()


def convert_generator_int4(directory, target):
    """MatMulNBits in groups of 32, activations in INT8: accuracy_level 4 is the quickest."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(directory / "onnxruntime-generator_onnx" / "model.onnx")
    _gemm_to_matmul(model)
    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    plain = target / "plain.onnx"
    quantizer.model.save_model_to_file(str(plain))
    _optimize(plain, target)
    plain.unlink()


def _gemm_to_matmul(model):
    """The quantizer knows MatMul only; the layers' Gemm have neither factors nor transposes."""
    import onnx

    nodes = []
    for node in model.graph.node:
        if node.op_type == "Gemm":
            values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if any(values.get(name, wanted) != wanted for name, wanted in
                   [("alpha", 1.0), ("beta", 1.0), ("transA", 0), ("transB", 0)]):
                raise ValueError(f"{node.name}: not a plain Gemm")
            product = node.output[0] + "_product"
            nodes.append(onnx.helper.make_node("MatMul", node.input[:2], [product]))
            nodes.append(onnx.helper.make_node("Add", [product, node.input[2]], node.output))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


REQUIRES |= {f"generator_{name}": "generator_onnx" for name in ("fp32", "int8", "int4")}


class Generator:
    def __init__(self, folder, threads, precision):
        import onnxruntime

        self.session = Engine(folder, threads, precision).session
        past = [i for i in self.session.get_inputs() if i.name.startswith("past")]
        self.past = [i.name for i in past]
        self.present = [name.replace("past_key_values", "present") for name in self.past]
        _, self.heads, _, self.width = past[0].shape
        self.value = onnxruntime.OrtValue.ortvalue_from_numpy

    def _run(self, ids, seen, past):
        """Logits [B, V], and keys and values as the next call takes them."""
        import numpy

        batch, n = ids.shape
        positions = numpy.tile(numpy.arange(seen, seen + n), (batch, 1))
        given = {"input_ids": self.value(ids), "position_ids": self.value(positions),
                 "attention_mask": self.value(numpy.ones((batch, seen + n), numpy.int64))}
        if not past:
            empty = numpy.zeros((batch, self.heads, 0, self.width), numpy.float32)
            past = [self.value(empty)] * len(self.past)
        given.update(zip(self.past, past))
        logits, *present = self.session.run_with_ort_values(["logits", *self.present], given)
        return logits.numpy()[:, -1], present

    def last_logits(self, row):
        import numpy

        return self._run(numpy.asarray([row]), 0, None)[0][0]

    def generate(self, rows, count):
        import numpy

        ids, seen, past, new = numpy.asarray(rows), 0, None, []
        for _ in range(count):
            logits, past = self._run(ids, seen, past)
            seen += ids.shape[1]
            ids = logits.argmax(-1)[:, None]
            new.append(ids)
        return numpy.concatenate(new, 1).tolist()
