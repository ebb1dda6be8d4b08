"""PyTorch as its users train: transformers' model, AdamW fused, gradients clipped, dynamic padding."""


class Trainer:
    """`option`: eager or compiled. BF16 is autocast over FP32 parameters."""

    def __init__(self, folder, threads, precision, option):
        import torch
        import transformers

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        config = transformers.AutoConfig.from_pretrained(folder)
        self.causal = config.architectures[0].endswith("LMHeadModel")
        kind = (transformers.AutoModelForCausalLM if self.causal
                else transformers.AutoModelForSequenceClassification)
        self.torch, self.option = torch, option
        self.model = kind.from_pretrained(folder, attn_implementation="sdpa").train()
        self.dropouts = [(m, m.p) for m in self.model.modules()
                         if isinstance(m, torch.nn.Dropout)]
        self.attention_dropout = [(m, name, getattr(m, name)) for m in self.model.modules()
                                  for name in ("dropout_prob", "attention_dropout")
                                  if isinstance(getattr(m, name, None), float)]
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        decay = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
            fused=True)

    def train(self, rows, labels, batch, learning_rate, dropout):
        self.rows, self.labels, self.batch, self.at = rows, labels, batch, 0
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        for module, p in self.dropouts:
            module.p = p if dropout else 0.0
        for module, name, p in self.attention_dropout:
            setattr(module, name, p if dropout else 0.0)
        # Lengths that change from step to step are compiled for once.
        dynamic = len({len(row) for row in rows}) > 1
        self.call = (self.torch.compile(self.model, dynamic=dynamic)
                     if self.option == "compiled" else self.model)

    def step(self):
        """The next rows, up to the changed parameters; returns the loss."""
        torch = self.torch
        rows = self.rows[self.at:self.at + self.batch]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        if self.causal:
            inputs = {"input_ids": ids, "labels": ids}
        else:
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
            inputs = {"input_ids": ids, "attention_mask": mask,
                      "labels": torch.tensor(self.labels[self.at:self.at + self.batch])}
        self.at += self.batch
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            loss = self.call(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        return float(loss.detach())
