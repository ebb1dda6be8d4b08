"""OpenVINO over its own conversion of the torch model, tuned for the latency of one request."""

import shutil

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


def convert_generator_ir(directory, target):
    """Stateful: keys and values stay inside. The last token's logits only, as a generator asks."""
    import openvino
    from openvino import opset13
    from optimum.exporters.openvino import main_export

    main_export(str(directory / "hf"), target / "all", task="text-generation-with-past",
                convert_tokenizer=False)
    model = openvino.Core().read_model(target / "all" / "openvino_model.xml")
    product = _logits_product(model)
    last = opset13.slice(product.input_value(0), [-1], [2 ** 31 - 1], [1], [1])
    product.input(0).replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()
    openvino.save_model(model, target / "model.xml", compress_to_fp16=False)
    del model, product, last
    shutil.rmtree(target / "all")


def _logits_product(model):
    """The matrix product that the logits come from."""
    node = next(o for o in model.outputs if "logits" in o.get_names()).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    return node


def convert_generator_int8(directory, target):
    import nncf
    import openvino

    model = openvino.Core().read_model(directory / "openvino-generator_ir" / "model.xml")
    openvino.save_model(nncf.compress_weights(model), target / "model.xml", compress_to_fp16=False)


def convert_generator_int4(directory, target):
    """Every matrix: by default the first and the last would stay in INT8."""
    import nncf
    import openvino

    model = openvino.Core().read_model(directory / "openvino-generator_ir" / "model.xml")
    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=64,
                                       ratio=1.0, all_layers=True)
    openvino.save_model(compressed, target / "model.xml", compress_to_fp16=False)


REQUIRES["generator_int8"] = REQUIRES["generator_int4"] = "generator_ir"


class Generator:
    def __init__(self, folder, threads, precision):
        import openvino

        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                    "INFERENCE_NUM_THREADS": threads,
                    # Beside small weights too, where BF16 is the quicker one.
                    "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16",
                    "CACHE_DIR": folder.parent / "openvino-cache"}
        if precision == "fp32":
            settings["KV_CACHE_PRECISION"] = "f32"  # the default is u8
        self.request = openvino.Core().compile_model(
            folder / "model.xml", "CPU", settings).create_infer_request()

    def _run(self, ids, seen):
        """Logits [B, V] after the ids [B, n], which stand behind `seen` tokens."""
        import numpy

        batch, n = ids.shape
        self.request.infer({
            "input_ids": ids, "beam_idx": numpy.arange(batch, dtype=numpy.int32),
            "attention_mask": numpy.ones((batch, seen + n), numpy.int64),
            "position_ids": numpy.tile(numpy.arange(seen, seen + n), (batch, 1)),
        }, share_inputs=True)
        return self.request.get_tensor("logits").data[:, -1]

    def last_logits(self, row):
        import numpy

        self.request.reset_state()
        return self._run(numpy.asarray([row]), 0)[0]

    def generate(self, rows, count):
        import numpy

        self.request.reset_state()
        ids, seen, new = numpy.asarray(rows), 0, []
        for _ in range(count):
            logits = self._run(ids, seen)
            seen += ids.shape[1]
            ids = logits.argmax(-1)[:, None]
            new.append(ids)
        return numpy.concatenate(new, 1).tolist()
