"""Screenshots as PNG files with a palette: a third of the size, as pages have few colors."""

import zlib
from base64 import b64decode, b64encode
from struct import pack

from playwright.sync_api import BrowserContext

# The 256 most frequent colors stay; each other color becomes the nearest of them.
_REDUCE = """async (data) => {
  const image = new Image();
  image.src = "data:image/png;base64," + data;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const drawing = canvas.getContext("2d");
  drawing.drawImage(image, 0, 0);
  const rgba = drawing.getImageData(0, 0, image.width, image.height).data;
  const counts = new Map();
  const colors = new Uint32Array(image.width * image.height);
  for (let i = 0; i < colors.length; i++) {
    colors[i] = (rgba[4 * i] << 16) | (rgba[4 * i + 1] << 8) | rgba[4 * i + 2];
    counts.set(colors[i], (counts.get(colors[i]) ?? 0) + 1);
  }
  const palette = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, 256);
  const part = (color, shift) => (color >> shift) & 255;
  const distance = (a, b) => [0, 8, 16].reduce((sum, s) => sum + (part(a, s) - part(b, s)) ** 2, 0);
  const nearest = new Map(palette.map((color, i) => [color, i]));
  for (const color of counts.keys())
    if (!nearest.has(color))
      nearest.set(color, palette.reduce(
        (best, each, i) => distance(each, color) < distance(palette[best], color) ? i : best, 0));
  let bytes = "";
  for (const color of colors) bytes += String.fromCharCode(nearest.get(color));
  return [image.width, image.height, palette, btoa(bytes)];
}"""
_PALETTE = 3


def reduce_png(context: BrowserContext, picture: bytes) -> bytes:
    """The picture with at most 256 colors."""
    page = context.new_page()
    width, height, palette, encoded = page.evaluate(_REDUCE, b64encode(picture).decode())
    page.close()
    pixels = b64decode(encoded)
    # Each row begins with its filter: none.
    rows = b"".join(b"\0" + pixels[y * width : (y + 1) * width] for y in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0))
        + _chunk(b"PLTE", b"".join(color.to_bytes(3, "big") for color in palette))
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
