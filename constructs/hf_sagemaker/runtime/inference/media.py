"""Images, sounds and arrays in the bodies of requests and answers."""

import base64
import binascii
import sys
from io import BytesIO
from typing import Any

from request_errors import ModelError, RequestError, one_line

# PIL knows more, some of which start other programs.
_IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")


def image(body: bytes, field: str = "body") -> Any:
    """The PIL image, whole. RequestError: it is none of the known formats, cut off, or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        opened = Image.open(BytesIO(body), formats=_IMAGE_FORMATS)
        opened.load()
    except UnidentifiedImageError:
        raise RequestError(f"this is no image of {', '.join(_IMAGE_FORMATS)}", field=field) from None
    except Image.DecompressionBombError as error:
        raise RequestError(f"the image is too large: {one_line(error)}", field=field) from None
    except Exception as error:  # PIL's readers raise whatever a damaged file leads them to
        raise RequestError(f"the image is damaged: {one_line(error)}", field=field) from None
    return opened


def image_of_text(text: str, field: str) -> Any:
    """The image that a JSON text holds in base64, perhaps as a data URL."""
    return image(_base64(text, field, "image"), field)


def sound_of_text(text: str, field: str) -> bytes:
    """The bytes of a sound that a JSON text holds in base64."""
    return _base64(text, field, "sound")


def _base64(text: str, field: str, what: str) -> bytes:
    if text.startswith(("http://", "https://")):
        # Whoever can ask the endpoint could make it ask whatever it reaches.
        raise RequestError(
            f"this server fetches nothing: send the {what} itself, as the body or in base64", field=field
        )
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(f"this text is no {what} in base64", field=field) from None


def array(body: bytes) -> Any:
    """The array of an .npy file. RequestError: it is none, holds Python objects, NaN or Infinity."""
    import numpy

    try:
        # Pickles run code when they are loaded.
        value = numpy.load(BytesIO(body), allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python
        raise RequestError(f"this is no array of numbers in the npy format: {one_line(error)}", field="body") from None
    if not isinstance(value, numpy.ndarray):
        raise RequestError("an npz archive is not taken: send one array as npy", field="body")
    if value.dtype.kind in "fc" and not numpy.isfinite(value).all():
        raise RequestError("the array holds NaN or Infinity", field="inputs")
    return value


def array_bytes(prediction: Any) -> bytes:
    """The .npy file that the toolkit makes of a prediction. ModelError: NaN or Infinity in it."""
    import numpy

    value = numpy.asanyarray(prediction)
    if value.dtype.kind in "fc" and not numpy.isfinite(value).all():
        raise ModelError("the model's answer holds NaN or Infinity")
    written = BytesIO()
    numpy.save(written, value)
    return written.getvalue()


def image_bytes(prediction: Any, media_type: str) -> bytes:
    """The image in the type's format. RequestError: the prediction is no image."""
    if not hasattr(prediction, "save"):
        raise RequestError(
            f"the answer is no image, so it cannot be {media_type}: accept application/json",
            field="Accept",
            status=406,
            type="NotAcceptable",
        )
    kind = media_type.partition("/")[2].upper()
    written = BytesIO()
    prediction.save(written, format="PNG" if kind == "X-IMAGE" else kind)
    return written.getvalue()


def png_text(value: Any) -> str | None:
    """An image as PNG in base64; None: it is no image."""
    images = sys.modules.get("PIL.Image")  # where it is not loaded nothing is an image
    if images is None or not isinstance(value, images.Image):
        return None
    written = BytesIO()
    value.save(written, format="PNG")
    return base64.b64encode(written.getvalue()).decode()
