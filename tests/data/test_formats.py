"""Whole files are read to the last bit; a broken one is refused, and the error says what is wrong with it."""

import gzip
import struct

import numpy as np
import pytest

from tinygen.data.formats import parse_amat, parse_idx_images, parse_idx_labels, unpack

GREY = (1, 28, 28)


def test_unpack_leaves_plain_content_alone_and_unpacks_gzip_whatever_the_name():
    assert unpack(b"plain content") == b"plain content"
    assert unpack(gzip.compress(b"first ") + gzip.compress(b"second")) == b"first second"


def test_a_truncated_gzip_stream_is_refused():
    with pytest.raises(ValueError, match="truncated"):
        unpack(gzip.compress(bytes(range(256)) * 40)[:-30])


@pytest.mark.parametrize("position", [40, -6, -2])  # in the stream, in its checksum, in its length
def test_a_corrupt_gzip_stream_is_refused(position):
    raw = bytearray(gzip.compress(np.random.default_rng(0).bytes(1_000)))
    raw[position] ^= 0x55
    with pytest.raises(ValueError, match="gzip stream is corrupt"):
        unpack(bytes(raw))


@pytest.mark.parametrize("extra", [b"\x00", b"junk"])
def test_bytes_behind_a_gzip_stream_are_refused(extra):
    with pytest.raises(ValueError, match=f"{len(extra)} trailing bytes"):
        unpack(gzip.compress(b"content") + extra)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <html>Not found", b'<?xml version="1.0"?><Error>'])
def test_a_web_page_is_called_one_plain_or_packed(page):
    for raw in (page, gzip.compress(page)):
        with pytest.raises(ValueError, match="web page"):
            unpack(raw)


@pytest.mark.parametrize("raw", [b"", gzip.compress(b"")])
def test_an_empty_file_is_refused(raw):
    with pytest.raises(ValueError, match="empty"):
        unpack(raw)


# .amat


def test_amat_gives_back_the_images(encode, digits):
    images = parse_amat(encode.amat(digits.binary), GREY)["images"]
    assert images.dtype == bool
    np.testing.assert_array_equal(images, digits.binary)


def test_amat_is_the_same_in_blocks_of_few_lines(encode, digits, monkeypatch):
    monkeypatch.setattr("tinygen.data.formats.LINES", 4)
    np.testing.assert_array_equal(parse_amat(encode.amat(digits.binary), GREY)["images"], digits.binary)


def test_amat_takes_windows_line_ends_tabs_and_a_last_line_without_an_end(encode, digits):
    text = encode.amat(digits.binary)
    for variant in (text.replace(b"\n", b" \r\n"), text.replace(b" ", b"\t  "), text[:-1]):
        np.testing.assert_array_equal(parse_amat(variant, GREY)["images"], digits.binary)


@pytest.mark.parametrize(("word", "shown"), [(b"2", "'2'"), (b"0.5", "'0.5'"), (b"10", "'10'"), (b"-1", "'-1'")])
def test_amat_refuses_what_is_not_0_or_1_and_names_the_line(encode, digits, monkeypatch, word, shown):
    monkeypatch.setattr("tinygen.data.formats.LINES", 4)
    lines = encode.amat(digits.binary).split(b"\n")
    lines[9] = word + lines[9][1:]
    with pytest.raises(ValueError, match=f"line 10 holds {shown}, expected 0 or 1"):
        parse_amat(b"\n".join(lines), GREY)


@pytest.mark.parametrize("change", [-3, 3])
def test_amat_refuses_a_line_of_another_length_and_names_it(encode, digits, change):
    lines = encode.amat(digits.binary).split(b"\n")
    lines[5] = lines[5][: 2 * change] if change < 0 else lines[5] + b" 1" * change
    with pytest.raises(ValueError, match=f"line 6 has {784 + change} numbers, an image has 784"):
        parse_amat(b"\n".join(lines), GREY)


def test_amat_refuses_a_file_that_is_cut_within_a_line_or_goes_on_behind_the_last(encode, digits):
    text = encode.amat(digits.binary)
    with pytest.raises(ValueError, match="line 23 has 734 numbers"):
        parse_amat(text[:-101], GREY)
    with pytest.raises(ValueError, match="line 24 has 0 numbers"):
        parse_amat(text + b"\n", GREY)


# IDX


def test_idx_gives_back_images_and_labels(encode, digits):
    np.testing.assert_array_equal(parse_idx_images(encode.idx(digits.images[:, 0]), GREY)["images"], digits.images)
    labels = parse_idx_labels(encode.idx(digits.labels), 10)["labels"]
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, digits.labels)


def test_idx_refuses_a_wrong_magic_number(encode, digits):
    labels, images = encode.idx(digits.labels), encode.idx(digits.images[:, 0])
    with pytest.raises(ValueError, match="magic number is 0x00000801, an IDX file of 3-D bytes has 0x00000803"):
        parse_idx_images(labels, GREY)
    with pytest.raises(ValueError, match="magic number is 0x00000803, an IDX file of 1-D bytes has 0x00000801"):
        parse_idx_labels(images, 10)
    with pytest.raises(ValueError, match="magic number is 0x00000d03"):  # floats
        parse_idx_images(b"\x00\x00\x0d\x03" + images[4:], GREY)


def test_idx_refuses_images_of_another_shape(encode, digits):
    with pytest.raises(ValueError, match=r"shape \(28, 27\), expected \(28, 28\)"):
        parse_idx_images(encode.idx(digits.images[:, 0, :, :27]), GREY)


@pytest.mark.parametrize(("length", "message"), [(3, "magic"), (9, "header"), (16, "18,032 bytes are missing")])
def test_idx_refuses_a_truncated_file(encode, digits, length, message):
    with pytest.raises(ValueError, match=message):
        parse_idx_images(encode.idx(digits.images[:, 0])[:length], GREY)


def test_idx_refuses_trailing_bytes(encode, digits):
    with pytest.raises(ValueError, match="2 trailing bytes"):
        parse_idx_labels(encode.idx(digits.labels) + b"\x00\x01", 10)


def test_idx_refuses_a_count_that_no_memory_could_hold():
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 28, 28)
    with pytest.raises(ValueError, match="truncated"):
        parse_idx_images(header, GREY)


def test_idx_refuses_a_label_out_of_range(encode, digits):
    digits.labels[4] = 10
    with pytest.raises(ValueError, match="label 10 of image 4 is out of range, expected 0 to 9"):
        parse_idx_labels(encode.idx(digits.labels), 10)
