"""The names of exports and formats, and the confidence that a format needs: nothing is imported
for them."""

from __future__ import annotations

MIN_CONFIDENCE = 0.6  # of a detected format, unless the user says otherwise
TRAINERS = (
    "trl-sft", "trl-prompt-completion", "trl-sft-text", "trl-prompt-only", "trl-dpo",
    "trl-reward", "trl-kto", "trl-prm", "axolotl-chat_template", "axolotl-sharegpt",
    "axolotl-alpaca", "axolotl-completion", "axolotl-dpo", "axolotl-dpo-argilla",
    "axolotl-dpo-intel", "axolotl-dpo-icr", "axolotl-dpo-prompt_pairs", "axolotl-dpo-ultra",
    "axolotl-orpo", "axolotl-kto", "axolotl-kto-argilla", "axolotl-kto-intel",
    "axolotl-stepwise_supervised", "llamafactory-alpaca", "llamafactory-sharegpt",
    "llamafactory-messages", "llamafactory-dpo", "llamafactory-dpo-alpaca", "llamafactory-kto",
    "llamafactory-kto-alpaca", "llamafactory-pretrain", "openinstruct-sft", "openinstruct-dpo",
)  # fmt: skip
FORMAT_NAMES = (
    "argilla", "alpaca-preference", "intel", "icr", "preference", "preference-chat",
    "preference-messages", "sharegpt-preference", "ultra", "preference-whole", "hh",
    "preference-text", "alpaca-kto", "argilla-kto", "intel-kto", "kto", "kto-response",
    "kto-chat", "kto-messages", "kto-sharegpt", "alpaca", "alpaca-response", "dolly",
    "open-orca", "problem-solution", "question-solution", "context-answer", "question-answer",
    "metharme", "oasst", "tldr",
    "prompt-completion", "prompt-response", "prompt-completion-chat", "sharegpt", "messages",
    "messages-parts", "llamafactory-v1", "stepwise", "nectar", "ranked", "text", "prompt",
    "prompt-chat",
)  # fmt: skip
