"""HEAD is answered as GET is, without the body: link checkers and mail scanners ask so."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnswersHead:
    """Lets routes know GET only; what they write is dropped, its length is still told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, without_body)
