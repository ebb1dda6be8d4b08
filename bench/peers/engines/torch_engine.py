"""PyTorch with transformers, eager. In FP32 it is the reference of all rows."""

PACKAGES = ["torch", "transformers"]


class Engine:
    def __init__(self, directory, threads, precision):
        import torch
        import transformers

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.torch = torch
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory / "hf", dtype=dtype, attn_implementation="sdpa").eval()

    def prepare(self, batch):
        """Returns the function that is timed: from numpy ids to numpy logits."""
        torch, model = self.torch, self.model

        def run():
            with torch.inference_mode():
                logits = model(input_ids=torch.from_numpy(batch.ids),
                               attention_mask=torch.from_numpy(batch.mask)).logits
                return logits.float().numpy().copy()

        return run

    def logits(self, answer):
        return answer
