"""CTranslate2: packs the rows of a batch. It has no classification head: the encoder is timed, and
the head (under 1 % of the work) is computed here for the check of the answers."""

import json

PACKAGES = ["ctranslate2"]
CONVERTER_PACKAGES = ["torch", "transformers"]


def _convert(directory, target, quantization):
    import ctranslate2

    ctranslate2.converters.TransformersConverter(str(directory / "hf")).convert(
        str(target), quantization=quantization, force=True)


def convert_fp32(directory, target):
    _convert(directory, target, None)
    _write_head(directory, target)


def convert_int8(directory, target):
    _convert(directory, target, "int8")
    _write_head(directory, target)


def convert_generator_fp32(directory, target):
    _convert(directory, target, None)


def convert_generator_int8(directory, target):
    _convert(directory, target, "int8")


def _write_head(directory, target):
    """The head's weights as [D, D], [D], [C, D], [C] with its activation."""
    import numpy
    from safetensors import safe_open

    with safe_open(directory / "hf" / "model.safetensors", "np") as file:
        names = {"bert.pooler.dense": "tanh", "pre_classifier": "relu"}
        pooler = next(name for name in names if name + ".weight" in file.keys())
        numpy.savez(target / "head.npz", activation=names[pooler],
                    w1=file.get_tensor(pooler + ".weight"), b1=file.get_tensor(pooler + ".bias"),
                    w2=file.get_tensor("classifier.weight"), b2=file.get_tensor("classifier.bias"))


class Engine:
    def __init__(self, folder, threads, precision):
        import ctranslate2

        self.folder = folder
        compute = {"fp32": "float32", "int8": "int8"}[precision]
        self.encoder = ctranslate2.Encoder(str(self.folder), device="cpu", compute_type=compute,
                                           inter_threads=1, intra_threads=threads)

    def prepare(self, batch):
        import numpy

        # Building the list of lists is part of the call, as for every user of it.
        encoder, ids, lengths = self.encoder, batch.ids, batch.lengths

        def run():
            rows = [row[:n] for row, n in zip(ids.tolist(), lengths)]
            output = encoder.forward_batch(rows)
            return numpy.asarray(output.last_hidden_state)[:, 0].copy()  # all that a head reads

        return run

    def logits(self, answer):
        import numpy

        head = numpy.load(self.folder / "head.npz")
        pooled = answer.astype(numpy.float64) @ head["w1"].T + head["b1"]
        pooled = numpy.tanh(pooled) if head["activation"] == "tanh" else numpy.maximum(pooled, 0)
        return pooled @ head["w2"].T + head["b2"]


class Generator:
    def __init__(self, folder, threads, precision):
        import ctranslate2

        compute = {"fp32": "float32", "int8": "int8"}[precision]
        self.generator = ctranslate2.Generator(str(folder), device="cpu", compute_type=compute,
                                               inter_threads=1, intra_threads=threads)
        self.words = json.loads((folder / "vocabulary.json").read_text())

    def last_logits(self, row):
        import numpy

        return numpy.asarray(self.generator.forward_batch([[self.words[i] for i in row]]))[0, -1]

    def generate(self, rows, count):
        results = self.generator.generate_batch(
            [[self.words[i] for i in row] for row in rows], beam_size=1, max_length=count,
            min_length=count, include_prompt_in_result=False)
        return [result.sequences_ids[0] for result in results]
