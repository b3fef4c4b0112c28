"""A camera that is none: a canvas whose stream takes the camera's place, and answers every instruction and colour."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from playwright.sync_api import Page

# Pictures by cue (an action or #rrggbb), drawn in turn with a little movement and grain as from a hand and a sensor.
_SCRIPT = """
(() => {
  const reel = %s;
  const pictures = Object.fromEntries(Object.entries(reel).map(([cue, files]) => [cue, files.map((file) => {
    const picture = new Image();
    picture.src = `data:image/jpeg;base64,${file}`;
    return picture;
  })]));
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [640, 480];
    const context = canvas.getContext('2d');
    let drawn = 0;
    setInterval(() => {
      const { cue, colour } = document.getElementById('stage').dataset;
      const shown = pictures[colour] ?? pictures[cue] ?? pictures['look-straight'];
      const picture = shown[Math.floor(drawn++ / 14) %% shown.length];
      context.drawImage(picture, Math.random() * 2 - 1, Math.random() * 2 - 1, 640, 480);
      context.fillStyle = `rgb(${drawn %% 256} 128 128 / 1%%)`;
      context.fillRect(Math.random() * 600, Math.random() * 440, 30, 30);
    }, 50);
    return canvas.captureStream(20);
  };
})();
"""


# Keeps every picture that the page takes, with the instruction or colour that it answers.
RECORDER = """
(() => {
  const reel = [];
  const toBlob = HTMLCanvasElement.prototype.toBlob;
  HTMLCanvasElement.prototype.toBlob = function (done, ...how) {
    const { cue, colour } = document.getElementById('stage').dataset;
    toBlob.call(this, (blob) => { reel.push([colour ?? cue, blob]); done(blob); }, ...how);
  };
  window.takeReel = () => Promise.all(reel.splice(0).map(async ([cue, blob]) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return [cue, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))];
  }));
})();
"""


def injection(reel: Mapping[str, Sequence[bytes]]) -> str:
    """The script that an attacker puts before the page's own."""
    files = {cue: [base64.b64encode(picture).decode() for picture in pictures] for cue, pictures in reel.items()}
    return _SCRIPT % json.dumps(files)


def take_reel(page: Page) -> dict[str, list[bytes]]:
    """The pictures that the page took since RECORDER ran, by what they answered, in their order."""
    reel: dict[str, list[bytes]] = {}
    for cue, picture in page.evaluate("() => window.takeReel()"):
        reel.setdefault(cue, []).append(base64.b64decode(picture))
    return reel
