"""llama.cpp over GGUF files written from the same weights. Language models only."""

import json

PACKAGES = ["llama-cpp-python"]
CONVERTER_PACKAGES = ["gguf", "safetensors"]

# Of GPT-2's tensors in the Hugging Face directory to those of a GGUF file.
_NAMES = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}
_LAYER_NAMES = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
                "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}


def _name(name):
    name = name.removeprefix("transformer.")
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("h."):
        _, layer, rest = stem.split(".", 2)
        return f"blk.{layer}.{_LAYER_NAMES[rest]}.{kind}"
    return f"{_NAMES[stem]}.{kind}"


def _convert(directory, target, kind):
    """Every matrix in one type, the one that is embeddings and vocabulary too; vectors and the table
    of positions, of which a step reads a row, in F32."""
    import gguf
    from gguf.quants import quantize
    from safetensors import safe_open

    config = json.loads((directory / "hf" / "config.json").read_text())
    writer = gguf.GGUFWriter(target / "model.gguf", "gpt2")
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(config["n_inner"] or 4 * config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_tokenizer_model("none")  # ids in, ids out
    writer.add_vocab_size(config["vocab_size"])
    kind = gguf.GGMLQuantizationType[kind]
    with safe_open(directory / "hf" / "model.safetensors", "np") as file:
        for name in file.keys():
            tensor, stored = file.get_tensor(name), gguf.GGMLQuantizationType.F32
            if tensor.ndim == 2 and "wpe" not in name:
                tensor = tensor if "wte" in name else tensor.T.copy()  # stored [inputs, outputs]
                tensor, stored = quantize(tensor, kind), kind
            writer.add_tensor(_name(name), tensor, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def convert_generator_f32(directory, target):
    _convert(directory, target, "F32")


def convert_generator_f16(directory, target):
    _convert(directory, target, "F16")


def convert_generator_bf16(directory, target):
    _convert(directory, target, "BF16")


def convert_generator_q8_0(directory, target):
    _convert(directory, target, "Q8_0")


def convert_generator_q4_0(directory, target):
    _convert(directory, target, "Q4_0")


class Generator:
    """A context is made for so many sequences and positions as are asked for, and kept. Keys and
    values are in F16, its default; in F32 its logits come no nearer to those of torch."""

    def __init__(self, folder, threads, precision):
        import llama_cpp

        self.lib, self.threads = llama_cpp, threads
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.quiet, None)
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(
            str(folder / "model.gguf").encode(), settings)
        if not self.model:
            raise RuntimeError(f"{folder}: not loaded")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.contexts = {}

    def _context(self, count, positions):
        """A fresh cache: of `positions` for each of `count` sequences."""
        positions = -(-positions // 256) * 256
        if (count, positions) not in self.contexts:
            settings = self.lib.llama_context_default_params()
            settings.n_ctx = count * positions
            settings.n_seq_max = count
            settings.n_batch = settings.n_ubatch = 512
            settings.n_threads = settings.n_threads_batch = self.threads
            settings.kv_unified = count == 1
            settings.no_perf = True
            context = self.lib.llama_init_from_model(self.model, settings)
            if not context:
                raise RuntimeError("no context")
            self.contexts[count, positions] = (context, self.lib.llama_batch_init(512, 0, 1))
        context, batch = self.contexts[count, positions]
        self.lib.llama_memory_clear(self.lib.llama_get_memory(context), False)
        return context, batch

    def _run(self, context, batch, ids, seen):
        """Logits [B, V] after the ids [B][n], which stand behind `seen` tokens."""
        import numpy

        count = 0
        last = []
        for sequence, row in enumerate(ids):
            for i, token in enumerate(row):
                batch.token[count] = token
                batch.pos[count] = seen + i
                batch.n_seq_id[count] = 1
                batch.seq_id[count][0] = sequence
                batch.logits[count] = i == len(row) - 1
                count += 1
            last.append(count - 1)
        batch.n_tokens = count
        if self.lib.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        return [numpy.ctypeslib.as_array(self.lib.llama_get_logits_ith(context, i),
                                         (self.vocabulary,)) for i in last]

    def last_logits(self, row):
        return self._run(*self._context(1, len(row)), [row], 0)[0]

    def generate(self, rows, count):
        context, batch = self._context(len(rows), len(rows[0]) + count)
        ids, seen, new = rows, 0, [[] for _ in rows]
        for _ in range(count):
            logits = self._run(context, batch, ids, seen)
            seen += len(ids[0])
            ids = [[int(row.argmax())] for row in logits]
            for tokens, token in zip(new, ids):
                tokens += token
        return new
