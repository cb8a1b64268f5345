"""The runnable parts of Uptill. Each service knows `shared`, none knows another; `services.cli` composes them."""
