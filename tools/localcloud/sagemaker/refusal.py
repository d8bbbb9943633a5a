"""What InvokeEndpoint answers when no container is asked."""


class InvocationRefusedError(Exception):
    """code: of the API's error; None as text: AWS answers without a message."""

    def __init__(self, message: str | None, *, code: str = "ValidationError", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
