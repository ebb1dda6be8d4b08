"""What is measured: models, cells, backends. One more of anything is one more line here."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that is made from its config with random weights. Speed asks for no training."""

    config: str  # class of transformers
    architecture: str  # class of transformers, built with 2 labels
    settings: dict = dataclasses.field(default_factory=dict)  # where the config is not the default


@dataclasses.dataclass(frozen=True)
class Backend:
    """An engine in one number format: a row of the tables."""

    engine: str  # module engines/ENGINE.py
    precision: str
    files: str  # conversion that it reads: NAME of `convert_NAME` in the engine's module
    note: str  # the settings, for the report
    tolerance: float = 0  # in place of that of its precision in TOLERANCE


MODELS = {
    "distilbert": Model("DistilBertConfig", "DistilBertForSequenceClassification"),
    "bert": Model("BertConfig", "BertForSequenceClassification"),
    "minilm": Model("BertConfig", "BertForSequenceClassification",
                    {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
                     "intermediate_size": 1536}),
}

# Continued token by token; without labels.
LANGUAGE_MODELS = {
    "gpt2": Model("GPT2Config", "GPT2LMHeadModel"),
}


def model(name):
    return (MODELS | LANGUAGE_MODELS)[name]


# Lengths like those of 32 sentences of SST-2: 8 to 66, mean 25.2. Padded to 66, 61.8 % is padding.
RAGGED = [66, 52, 44, 41, 42, 40, 38, 35, 33, 31, 30, 28, 27, 26, 25, 24,
          22, 21, 20, 19, 18, 17, 16, 14, 13, 12, 10, 9, 8, 8, 9, 8]

# A cell is a batch, given by the lengths of its sequences.
CELLS = {
    "1x16": [16],
    "1x128": [128],
    "1x384": [384],
    "8x128": [128] * 8,
    "32x128": [128] * 32,
    "32ragged": RAGGED,
}
FULL_LENGTH = ["1x16", "1x128", "1x384", "8x128", "32x128"]

BACKENDS = {
    "linnet_fp32": Backend("linnet", "fp32", "none", "packed sequences, best level"),
    "linnet_bf16": Backend("linnet", "bf16", "none", "--precision bf16"),
    "linnet_int8": Backend("linnet", "int8", "int8", "linnet quantize --attention f32"),
    "linnet_int8_attention": Backend("linnet", "int8", "int8_attention",
                                     "linnet quantize"),
    "torch_fp32": Backend("torch", "fp32", "none", "eager, sdpa, inference_mode"),
    "ort_fp32": Backend("onnxruntime", "fp32", "fp32", "ORT_ENABLE_ALL beforehand, sequential"),
    "ov_fp32": Backend("openvino", "fp32", "ir", "LATENCY, 1 stream, model cache"),
    "ct2_fp32": Backend("ctranslate2", "fp32", "fp32", "encoder, packed sequences"),
    "torch_bf16": Backend("torch", "bf16", "none", "weights and activations bf16"),
    "ov_bf16": Backend("openvino", "bf16", "ir", "LATENCY, 1 stream, model cache"),
    "torch_int8": Backend("torch", "int8", "none", "quantize_dynamic of all Linear"),
    "ov_int8_static": Backend("openvino", "int8", "static", "NNCF, transformer scheme, calibrated"),
    "ov_int8_dynamic": Backend("openvino", "int8", "dynamic", "NNCF INT8 weights, groups of 32"),
    "ort_int8": Backend("onnxruntime", "int8", "int8", "quantize_dynamic, per channel"),
    "ct2_int8": Backend("ctranslate2", "int8", "int8", "encoder, packed sequences, per row"),
}

# The same for language models, which are converted in other ways.
GENERATORS = {
    "linnet_fp32": Backend("linnet", "fp32", "none", "packed sequences, best level"),
    "linnet_bf16": Backend("linnet", "bf16", "none", "--precision bf16"),
    "linnet_int8": Backend("linnet", "int8", "generator_int8", "linnet quantize"),
    "linnet_int4": Backend("linnet", "int4", "generator_int4", "linnet quantize … int4"),
    "torch_fp32": Backend("torch", "fp32", "none", "eager, sdpa, DynamicCache"),
    "ort_fp32": Backend("onnxruntime", "fp32", "generator_fp32",
                        "past as inputs and outputs, logits of the last token"),
    "ov_fp32": Backend("openvino", "fp32", "generator_ir",
                       "stateful, LATENCY, 1 stream, logits of the last token"),
    "ct2_fp32": Backend("ctranslate2", "fp32", "generator_fp32", "generate_batch"),
    # Its GELU is a table in F16.
    "llama_f32": Backend("llamacpp", "fp32", "generator_f32", "F32, keys and values in F16",
                         tolerance=1e-3),
    "torch_bf16": Backend("torch", "bf16", "none", "eager, sdpa, DynamicCache"),
    "ov_bf16": Backend("openvino", "bf16", "generator_ir",
                       "stateful, LATENCY, 1 stream, logits of the last token"),
    "llama_f16": Backend("llamacpp", "bf16", "generator_f16", "F16, keys and values too"),
    "llama_bf16": Backend("llamacpp", "bf16", "generator_bf16", "BF16, keys and values in F16"),
    "torch_int8": Backend("torch", "int8", "none", "quantize_dynamic of all layers"),
    "ort_int8": Backend("onnxruntime", "int8", "generator_int8", "quantize_dynamic, per channel"),
    "ov_int8": Backend("openvino", "int8", "generator_int8", "NNCF INT8 weights, the rest in BF16"),
    "ct2_int8": Backend("ctranslate2", "int8", "generator_int8", "generate_batch"),
    "llama_q8_0": Backend("llamacpp", "int8", "generator_q8_0", "Q8_0, keys and values in F16"),
    "ort_int4": Backend("onnxruntime", "int4", "generator_int4", "MatMulNBits, groups of 32, INT8 rows"),
    "ov_int4": Backend("openvino", "int4", "generator_int4", "NNCF INT4_SYM, groups of 64, the rest in BF16"),
    "llama_q4_0": Backend("llamacpp", "int4", "generator_q4_0", "Q4_0, keys and values in F16"),
}

@dataclasses.dataclass(frozen=True)
class Trainer(Backend):
    """An engine that trains; `option` is its way to do it."""

    option: str = dataclasses.field(default="", kw_only=True)


TRAINERS = {
    "linnet_fp32": Trainer("linnet", "fp32", "none", "the step of linnet train"),
    "linnet_fp32_recompute": Trainer("linnet", "fp32", "none", "--recompute", option="recompute"),
    "torch_fp32": Trainer("torch", "fp32", "none", "eager, sdpa, AdamW fused", option="eager"),
    "torch_fp32_compiled": Trainer("torch", "fp32", "none", "torch.compile", option="compiled"),
    "linnet_bf16": Trainer("linnet", "bf16", "none", "--precision bf16"),
    "torch_bf16": Trainer("torch", "bf16", "none", "eager, autocast", option="eager"),
    "torch_bf16_compiled": Trainer("torch", "bf16", "none", "torch.compile, autocast",
                                   option="compiled"),
}


@dataclasses.dataclass(frozen=True)
class Training:
    """Steps of training: sequences in each, their lengths, and how many steps a visit takes."""

    model: str  # "classifier" or "language"
    batch: int
    lengths: int | str  # all the same, or those of a task's texts
    steps: int = 1


TRAININGS = {
    "16x128": Training("classifier", 16, 128),
    "32x128": Training("classifier", 32, 128),
    "SST-2": Training("classifier", 32, "SST-2", 4),
    "MRPC": Training("classifier", 32, "MRPC", 2),
    "4x256": Training("language", 4, 256),
}
TRAINED = {"classifier": ["distilbert", "minilm"], "language": ["gpt2"]}

# What is wanted of linnet: times the tokens a second of the fastest of torch, and the share of the
# least of its peak memories.
TRAINING_GOALS = {"16x128": 1.8, "32x128": 1.8, "4x256": 1.8, "SST-2": 4, "MRPC": 2.3}
TRAINING_BF16_GOAL = 1.25
TRAINING_MEMORY_GOALS = {"": 0.6, "recompute": 0.45}
# The largest difference of a loss to torch's in FP32, as a share of it.
LOSS_TOLERANCE = {"fp32": 1e-4, "bf16": 0.02}

# What is generated: prompts, tokens of each, new tokens of each. One new token is a prefill; more
# are decoding: the time without that of the first token.
GENERATIONS = {
    "prefill 128": (1, 128, 1),
    "prefill 512": (1, 512, 1),
    "decode, batch 1": (1, 16, 129),
    "decode, batch 4": (4, 16, 129),
    "decode, batch 16": (16, 16, 129),
}

# Weights that a step reads: all but the table of positions, of which it takes a row.
STEP_WEIGHTS = {"gpt2": 124_439_808 - 1024 * 768}
# New tokens behind the prompt of 128 whose memory is measured, and keys and values of all, in FP32.
MEMORY_TOKENS = 129
CACHE_BYTES = (128 + MEMORY_TOKENS) * 12 * 2 * 768 * 4

# Bytes of a weight, scales included.
WEIGHT_BYTES = {"fp32": 4, "bf16": 2, "int8": 1, "int4": 0.5625}

# Largest difference between the logits and the FP32 reference, as a share of the reference's
# largest absolute value, that a row may show and still be printed. Of a single row with two logits
# that can be much: the lesser formats are judged by the cosines that stand beside the times.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.2, "int8": 0.3, "int4": 0.6}


_INT8 = {
    "full length, geomean": 1.07, "full length, worst cell": 0.95, "1x16, geomean": 1.3,
    "ragged against CTranslate2, worst": 2.0, "ragged against the fastest other, worst": 2.0,
    "against dynamic INT8, geomean": 1.5,
}

# What linnet's backends want to reach; the words are those of the report's summary.
GOALS = {"linnet_fp32": {
    "full length, geomean": 1.05, "full length, worst cell": 0.95, "1x16, geomean": 1.1,
    "ragged against CTranslate2, worst": 1.3, "ragged against the fastest other, worst": 2.2,
    "cold start, worst": 3.0, "peak memory at 1x16, worst": 1.0,
}, "linnet_bf16": {
    "full length, geomean": 1.05, "ragged against the fastest other, worst": 2.2,
    "cosine, worst": 0.99996,
}, "linnet_int8": _INT8, "linnet_int8_attention": _INT8 | {
    "full length, geomean": 1.15, "full length, worst cell": 1.0,
}}

# The same for language models; `share` is that of the bandwidth probed in the run.
GENERATION_GOALS = {
    "fp32": {"prefill": 1.4, "decode": 1.05, "share": 0.9},
    "bf16": {"decode": 1.25},
    "int8": {"prefill": 1.6, "decode": 1.4, "share": 0.85},
}
BATCH_16_GOAL = 8  # times the tokens a second of one sequence
MEMORY_GOAL = 1.25  # peak, times weights and cache


def backends_of(precisions, backends):
    return [name for name, backend in backends.items() if backend.precision in precisions]


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """A way to encode texts: a row of the tokenizer table."""

    engine: str  # linnet, tokenizers or tiktoken
    mode: str  # what its worker is asked to do
    kind: str  # rows of one kind are compared: "ids" or "everything" (offsets and all)
    threads: tuple = (1, 2)
    vocabularies: tuple = ("all-MiniLM-L6-v2", "gpt2")


# Directories under vocab/ of the data.
VOCABULARIES = ["all-MiniLM-L6-v2", "gpt2"]

TOKENIZERS = {
    "linnet_ids": Tokenizer("linnet", "ids", "ids"),
    "tokenizers_batch_fast": Tokenizer("tokenizers", "encode_batch_fast", "ids"),
    "tiktoken": Tokenizer("tiktoken", "encode_ordinary", "ids", threads=(1,),
                          vocabularies=("gpt2",)),
    "linnet_encode": Tokenizer("linnet", "encode", "everything"),
    "tokenizers_batch": Tokenizer("tokenizers", "encode_batch", "everything"),
    "tokenizers_encode": Tokenizer("tokenizers", "encode", "everything", threads=(1,)),
}
