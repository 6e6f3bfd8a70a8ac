"""Short pieces of music with known tags: rng -> (wave at 24 kHz, tags), 1.6 to 2.6 s."""
from __future__ import annotations

import numpy as np

RATE = 24000
INSTRUMENTS = ["piano", "organ", "guitar", "flute", "strings"]
SCALES = {"major": [0, 2, 4, 5, 7, 9, 11, 12], "minor": [0, 2, 3, 5, 7, 8, 10, 12]}


def _note(rng: np.random.Generator, instrument: str, hz: float, seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    rise = np.minimum(1, t / 0.008) * np.minimum(1, (seconds - t) / 0.02)
    if instrument == "piano":
        return rise * sum(np.exp(-t * (2 + 1.5 * k)) / k**1.3 * np.sin(2 * np.pi * hz * k * (1 + 4e-4 * k * k) * t) for k in range(1, 9))
    if instrument == "organ":
        return rise * sum(g * np.sin(2 * np.pi * hz * k * t) for k, g in ((0.5, 0.5), (1, 1), (2, 0.8), (3, 0.5), (4, 0.6), (6, 0.3), (8, 0.3)))
    if instrument == "guitar":
        return rise * _pluck(rng, hz, len(t))
    if instrument == "flute":
        vibrato = np.sin(2 * np.pi * rng.uniform(4.5, 6) * t) * 0.006
        phase = 2 * np.pi * np.cumsum(hz * (1 + vibrato)) / RATE
        breath = np.minimum(1, t / 0.06) * np.minimum(1, (seconds - t) / 0.04)
        return breath * (np.sin(phase) + 0.15 * np.sin(2 * phase) + 0.04 * rng.standard_normal(len(t)))
    swell = np.minimum(1, t / 0.12) * np.minimum(1, (seconds - t) / 0.06)
    voices = 0
    for _ in range(3):  # slightly detuned sawtooth players
        phase = hz * (1 + rng.uniform(-0.006, 0.006)) * t + rng.random()
        voices = voices + sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, min(16, int(10000 / hz) + 1)))
    return swell * voices


def _pluck(rng: np.random.Generator, hz: float, n: int) -> np.ndarray:
    """Karplus-Strong string, a period at a time."""
    period = max(2, int(RATE / hz))
    loop, out = rng.uniform(-1, 1, period), []
    for _ in range(n // period + 1):
        out.append(loop)
        loop = 0.996 * 0.5 * (loop + np.roll(loop, 1))
    return np.concatenate(out)[:n]


def _drums(rng: np.random.Generator, n: int, beat: float) -> np.ndarray:
    wave, at, hit = np.zeros(n), 0.0, 0
    while at < n / RATE:
        length = int(min(0.15, beat) * RATE)
        t = np.arange(length) / RATE
        if hit % 2 == 0:
            piece = np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-30 * t)))) * np.exp(-20 * t)
        else:
            piece = 0.7 * rng.standard_normal(length) * np.exp(-35 * t)
        i = int(at * RATE)
        wave[i : i + length] += piece[: n - i]
        at, hit = at + beat / 2, hit + 1
    return wave


def make_piece(rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """A melody on one instrument. Tags: instrument, tempo, register, and drums where they play, in random order."""
    instrument = str(rng.choice(INSTRUMENTS))
    tempo, register, drums = str(rng.choice(["slow", "fast"])), str(rng.choice(["low", "high"])), bool(rng.random() < 0.5)
    beat = rng.uniform(0.5, 0.75) if tempo == "slow" else rng.uniform(0.13, 0.22)
    root = rng.uniform(98, 165) if register == "low" else rng.uniform(420, 700)
    scale = SCALES[str(rng.choice(list(SCALES)))]
    n = int(RATE * rng.uniform(1.6, 2.6))
    wave, at, degree = np.zeros(n), 0.0, int(rng.integers(0, 8))
    while at < n / RATE - 0.05:
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 7))
        note = _note(rng, instrument, root * 2 ** (scale[degree] / 12), beat * rng.uniform(0.85, 1.0)) * rng.uniform(0.7, 1)
        i = int(at * RATE)
        wave[i : i + len(note)] += note[: n - i]
        at += beat
    wave = wave / np.abs(wave).max()
    if drums:
        wave = wave + rng.uniform(0.6, 1.0) * _drums(rng, n, rng.uniform(0.9, 1.1) * (0.5 if tempo == "slow" else 0.3))
    tags = [instrument, tempo, register] + (["drums"] if drums else [])
    return wave, [tags[i] for i in rng.permutation(len(tags))]
