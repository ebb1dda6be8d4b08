"""linnet's own conversions; its process is linnet_worker."""

import os
import subprocess

PACKAGES = []


def _quantize(directory, target, *options):
    target.rmdir()
    subprocess.run([os.environ["LINNET_PROGRAM"], "quantize", directory / "hf", target, *options],
                   check=True)


def convert_int8(directory, target):
    _quantize(directory, target, "--attention", "f32")


def convert_generator_int8(directory, target):
    _quantize(directory, target)


def convert_generator_int4(directory, target):
    _quantize(directory, target, "int4")


def convert_int8_attention(directory, target):
    _quantize(directory, target, "--attention", "i8")
