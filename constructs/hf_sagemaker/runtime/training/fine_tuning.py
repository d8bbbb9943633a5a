"""Fine-tunes a text classifier with transformers.Trainer so that it can be interrupted at any step.

One process does it, or several on one or more instances, which torchrun or accelerate starts.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from checkpoints import step_of
from data import Dataset, Example
from hyperparameters import Hyperparameters
from interruption import Interruption
from prepared_data import PreparedDataset, Rows
from processes import agreed_checkpoint, any_of_us, finish_checkpoint, introduce, rank
from reporting import say
from small_model import build_model, train_tokenizer
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """One run, from the data to the saved model.

    start_from: folder of a pretrained model; None builds a small one.
    model_dir: where the model and its tokenizer are put. checkpoints: folder of the checkpoints.
    """

    dataset: Dataset | PreparedDataset
    parameters: Hyperparameters
    start_from: Path | None
    model_dir: Path
    checkpoints: Path
    interruption: Interruption

    def run(self) -> None:
        """Trains, evaluates, saves. Returns early, with a checkpoint of the current step, when interrupted.

        The model is saved, and the result said, by process 0.
        """
        set_seed(self.parameters.seed)
        tokenizer, model = self._model()
        trainer = self._trainer(tokenizer, model)
        introduce()
        resume_from = agreed_checkpoint(self.checkpoints, trainer.args.local_process_index)
        with self.interruption.deferred():
            trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
            interrupted = any_of_us(self.interruption.requested, trainer.args.device)
        if interrupted:
            if rank() == 0:
                saved = trainer.saved_step or (step_of(resume_from) if resume_from else 0)
                say("interrupted", step=trainer.state.global_step, checkpoint_step=saved)
            return
        result = trainer.evaluate()
        with self.interruption.deferred():  # it takes a moment, and half a model is worse than none
            state = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # what is spread over processes, whole
            if rank() != 0:
                return
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(self.model_dir, state_dict=state)
            tokenizer.save_pretrained(self.model_dir)
        say(
            "result",
            eval_accuracy=f"{result['eval_accuracy']:.4f}",
            majority_baseline=f"{self.dataset.majority_baseline:.4f}",
            eval_loss=f"{result['eval_loss']:.4f}",
            final_step=trainer.state.global_step,
        )

    def _model(self) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
        if self.start_from is None:
            if isinstance(self.dataset, PreparedDataset):
                tokenizer = AutoTokenizer.from_pretrained(self.dataset.tokenizer, local_files_only=True)
            else:
                tokenizer = train_tokenizer(self.dataset.train, self.parameters)
            return tokenizer, build_model(tokenizer, self._label_names({}), self.parameters)
        tokenizer = AutoTokenizer.from_pretrained(self.start_from, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            self.start_from,
            num_labels=self.dataset.label_count,
            ignore_mismatched_sizes=True,  # its classification head may have been for other labels
            local_files_only=True,
        )
        names = self._label_names(model.config.id2label)
        model.config.id2label = names
        model.config.label2id = {name: number for number, name in names.items()}
        return tokenizer, model

    def _label_names(self, known: dict[int, str]) -> dict[int, str]:
        count = self.dataset.label_count
        if names := self.parameters.labels:
            if len(names) != count:
                raise SystemExit(
                    f"hyperparameter labels names {len(names)} labels ({', '.join(names)}); "
                    f"the training data has {count}"
                )
            return dict(enumerate(names))
        if len(known) == count and not all(name.startswith("LABEL_") for name in known.values()):
            return known
        if count == 2:
            return {0: "NEGATIVE", 1: "POSITIVE"}
        return {number: f"LABEL_{number}" for number in range(count)}

    def _trainer(self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Trainer:
        length = min(self.parameters.max_length, tokenizer.model_max_length)
        train: Rows | list[dict[str, Any]]
        test: Rows | list[dict[str, Any]]
        if isinstance(self.dataset, PreparedDataset):
            train, test = self.dataset.train, self.dataset.test
        else:
            train, test = (encode(part, tokenizer, length) for part in (self.dataset.train, self.dataset.test))
        trainer = TextClassificationTrainer(
            model=model,
            args=self._arguments(),
            train_dataset=train,
            eval_dataset=test,
            data_collator=DataCollatorWithPadding(tokenizer),
            processing_class=tokenizer,
            compute_metrics=accuracy,
            callbacks=[Reporting(self.dataset, self.interruption)],
        )
        trainer.remove_callback(PrinterCallback)  # Reporting says it
        trainer.token_dropout = self._value("token_dropout", built_here=0.1, pretrained=0.0)
        trainer.hidden_token = tokenizer.mask_token_id or tokenizer.unk_token_id
        return trainer

    def _arguments(self) -> TrainingArguments:
        given = self.parameters
        cuda = torch.cuda.is_available()
        if given.fp16 and not cuda:
            print("fp16 was asked for, but there is no CUDA device: training in full precision", flush=True)
        return Arguments(
            output_dir=str(self.checkpoints),
            num_train_epochs=given.epochs,
            max_steps=given.max_steps or -1,
            per_device_train_batch_size=given.train_batch_size,
            per_device_eval_batch_size=given.eval_batch_size,
            gradient_accumulation_steps=given.gradient_accumulation_steps,
            learning_rate=self._value("learning_rate", built_here=1e-3, pretrained=5e-5),
            weight_decay=given.weight_decay,
            warmup_steps=self._warmup_steps(),
            lr_scheduler_type="linear",
            save_strategy="steps",
            save_steps=given.save_steps,
            save_total_limit=given.save_total_limit,
            logging_strategy="steps",
            logging_steps=given.logging_steps,
            eval_strategy="no",
            fp16=given.fp16 and cuda,  # bf16 is not used: a T4 has none
            dataloader_pin_memory=cuda,
            use_cpu=not cuda,  # else several processes would not find each other there
            report_to="none",
            disable_tqdm=True,
            seed=given.seed,
        )

    def _value(self, name: str, built_here: float, pretrained: float) -> float:
        given = getattr(self.parameters, name)
        if given is not None:
            return given
        return built_here if self.start_from is None else pretrained

    def _warmup_steps(self) -> int:
        given = self.parameters
        steps = given.max_steps
        if not steps:
            processes = int(os.environ.get("WORLD_SIZE", "1"))
            devices = processes if processes > 1 else max(1, torch.cuda.device_count())
            per_step = given.train_batch_size * devices * given.gradient_accumulation_steps
            steps = given.epochs * len(self.dataset.train) / per_step
        return round(given.warmup_ratio * steps)


def encode(examples: list[Example], tokenizer: PreTrainedTokenizerBase, length: int) -> list[dict[str, Any]]:
    """Token ids of each text, at most `length` of them, and its label; padded only when a batch is made."""
    encoded = tokenizer([example.text for example in examples], truncation=True, max_length=length)
    return [
        {**{name: encoded[name][number] for name in encoded}, "labels": example.label}
        for number, example in enumerate(examples)
    ]


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((np.argmax(prediction.predictions, axis=-1) == prediction.label_ids).mean())}


class Arguments(TrainingArguments):
    """On CPUs each of several processes would have a device of its own, cpu:0, which torch.load does not know."""

    @property
    def device(self) -> torch.device:
        device = super().device
        return torch.device("cpu") if device.type == "cpu" else device


class TextClassificationTrainer(Trainer):
    """A Trainer that hides some tokens from the model while it learns, so that it does not lean on single words.

    They are drawn here and not where batches are made: batches are made one ahead, which would give other tokens after
    an interruption than without.
    """

    token_dropout = 0.0
    hidden_token: int | None = None
    saved_step: int | None = None

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        super()._save_checkpoint(*arguments, **named)
        finish_checkpoint(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
        self.saved_step = self.state.global_step

    def get_batch_samples(self, *arguments: Any, **named: Any) -> Any:
        # Interrupted after its last step, a run goes on from the checkpoint of that step. Trainer looks for the end
        # behind a step, not before, and would do one more wherever max_steps ends an epoch early.
        if self.state.global_step >= self.state.max_steps:
            return [], None
        return super().get_batch_samples(*arguments, **named)

    def _rotate_checkpoints(self, use_mtime: bool = False, output_dir: str | None = None) -> None:
        # By step. After an interruption all folders are as old as their download, in the order of their names.
        super()._rotate_checkpoints(use_mtime=False, output_dir=output_dir)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        if model.training and self.token_dropout and self.hidden_token is not None:
            tokens = inputs["input_ids"]
            hidden = torch.rand(tokens.shape, device=tokens.device) < self.token_dropout
            hidden[:, 0] = False  # the first one stands for the whole text
            hidden &= inputs["attention_mask"].bool()
            inputs = {**inputs, "input_ids": tokens.masked_fill(hidden, self.hidden_token)}
        return super().compute_loss(model, inputs, *arguments, **named)


class Reporting(TrainerCallback):
    """Says what happens, and stops with a checkpoint where an interruption was asked for."""

    def __init__(self, dataset: Dataset | PreparedDataset, interruption: Interruption) -> None:
        self._dataset = dataset
        self._interruption = interruption

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            say(
                "start",
                resumed_from_step=state.global_step,
                total_steps=state.max_steps,
                save_steps=args.save_steps,
                train_rows=len(self._dataset.train),
                test_rows=len(self._dataset.test),
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "loss" in logs and state.is_world_process_zero:
            say("step", step=state.global_step, loss=f"{float(logs['loss']):.4f}")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if any_of_us(self._interruption.requested, args.device):
            control.should_save = True
            control.should_training_stop = True
