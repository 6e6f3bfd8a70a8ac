"""Ten classes of sound events, each drawn anew per clip: rng -> wave at 16 kHz, 1 to 2.2 s."""
from __future__ import annotations

from typing import Callable

import numpy as np

RATE = 16000


def _time(rng: np.random.Generator) -> np.ndarray:
    return np.arange(int(RATE * rng.uniform(1.0, 2.2))) / RATE


def _band_noise(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """White noise limited to low..high Hz, unit peak."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum[(hz < low) | (hz > high)] = 0
    wave = np.fft.irfft(spectrum, n)
    return wave / np.abs(wave).max()


def _put(wave: np.ndarray, start: float, piece: np.ndarray) -> None:
    i = int(start * RATE)
    piece = piece[: max(0, len(wave) - i)]
    wave[i : i + len(piece)] += piece


def _events(rng: np.random.Generator, period: tuple[float, float], jitter: float, piece: Callable[[], np.ndarray]) -> np.ndarray:
    """Repeats a short piece with a random period."""
    t = _time(rng)
    wave, at, step = np.zeros(len(t)), rng.uniform(0, 0.2), rng.uniform(*period)
    while at < t[-1]:
        _put(wave, at, piece() * rng.uniform(0.7, 1))
        at += step * (1 + jitter * rng.uniform(-1, 1))
    return wave


def siren(rng: np.random.Generator) -> np.ndarray:
    t = _time(rng)
    centre, depth, speed = rng.uniform(600, 1100), rng.uniform(0.2, 0.45), rng.uniform(0.8, 4)
    sweep = np.sin(2 * np.pi * speed * t + rng.uniform(0, 6))
    if rng.random() < 0.4:
        sweep = np.sign(sweep)  # two-tone
    phase = 2 * np.pi * np.cumsum(centre * (1 + depth * sweep)) / RATE
    return np.sin(phase) + rng.uniform(0.1, 0.5) * np.sin(3 * phase)


def rain(rng: np.random.Generator) -> np.ndarray:
    n = len(_time(rng))
    wave = 0.3 * _band_noise(rng, n, rng.uniform(800, 2000), rng.uniform(6000, 8000))
    for _ in range(int(n / RATE * rng.uniform(60, 250))):
        length = int(rng.uniform(0.001, 0.004) * RATE)
        _put(wave, rng.uniform(0, n / RATE), rng.uniform(0.2, 1) * rng.standard_normal(length) * np.hanning(length))
    return wave


def wind(rng: np.random.Generator) -> np.ndarray:
    t = _time(rng)
    gust = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * t + rng.uniform(0, 6))
    return _band_noise(rng, len(t), rng.uniform(40, 120), rng.uniform(350, 700)) * (0.25 + gust)


def clock(rng: np.random.Generator) -> np.ndarray:
    tone, decay = rng.uniform(1800, 4000), rng.uniform(150, 400)

    def tick() -> np.ndarray:
        t = np.arange(int(0.03 * RATE)) / RATE
        return np.exp(-decay * t) * (np.sin(2 * np.pi * tone * t) + 0.4 * rng.standard_normal(len(t)))
    return _events(rng, (0.2, 0.5), 0.0, tick)


def alarm(rng: np.random.Generator) -> np.ndarray:
    tone, on = rng.uniform(1500, 3200), rng.uniform(0.05, 0.12)

    def beep() -> np.ndarray:
        t = np.arange(int(on * RATE)) / RATE
        return np.sign(np.sin(2 * np.pi * tone * t)) * np.minimum(1, 200 * np.minimum(t, on - t))
    return _events(rng, (1.6 * on, 2.5 * on), 0.0, beep)


def engine(rng: np.random.Generator) -> np.ndarray:
    t = _time(rng)
    base = rng.uniform(28, 75) * (1 + rng.uniform(-0.25, 0.25) * t / t[-1])
    phase = 2 * np.pi * np.cumsum(base) / RATE
    wave = sum(rng.uniform(0.3, 1) / k**0.7 * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, 16))
    return wave + 0.4 * _band_noise(rng, len(t), 100, 1200) * (1 + np.sin(phase))


def bell(rng: np.random.Generator) -> np.ndarray:
    base = rng.uniform(300, 900)
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.52, 3.01, 4.1]) * rng.uniform(0.99, 1.01, 8)

    def strike() -> np.ndarray:
        t = np.arange(int(1.6 * RATE)) / RATE
        return sum(np.exp(-t * (1 + 0.8 * i) * rng.uniform(0.8, 1.3)) * np.sin(2 * np.pi * base * r * t) for i, r in enumerate(ratios))
    return _events(rng, (0.7, 1.4), 0.05, strike)


def clapping(rng: np.random.Generator) -> np.ndarray:
    low = rng.uniform(600, 1100)

    def clap() -> np.ndarray:
        n = int(rng.uniform(0.03, 0.07) * RATE)
        return _band_noise(rng, n, low, low + rng.uniform(1200, 2600)) * np.exp(-np.arange(n) / RATE * rng.uniform(60, 110))
    return sum(_events_fixed(rng, clap) for _ in range(int(rng.integers(1, 4))))


def _events_fixed(rng: np.random.Generator, piece: Callable[[], np.ndarray]) -> np.ndarray:
    """Two seconds of repeated pieces: several such layers add up."""
    wave, at, step = np.zeros(2 * RATE), rng.uniform(0, 0.2), rng.uniform(0.15, 0.4)
    while at < 2:
        _put(wave, at, piece() * rng.uniform(0.5, 1))
        at += step * (1 + 0.15 * rng.uniform(-1, 1))
    return wave


def dog(rng: np.random.Generator) -> np.ndarray:
    pitch, formant = rng.uniform(180, 420), rng.uniform(700, 1300)

    def bark() -> np.ndarray:
        n = int(rng.uniform(0.12, 0.25) * RATE)
        t = np.arange(n) / n
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.5 * np.sin(np.pi * t)) * np.ones(n)) / RATE
        voice = sum(np.exp(-(((k * pitch - formant) / 600) ** 2)) * np.sin(k * phase) for k in range(1, 14))
        return (voice + 0.25 * rng.standard_normal(n)) * np.sin(np.pi * t) ** 0.6
    return _events(rng, (0.35, 0.7), 0.2, bark)


def bird(rng: np.random.Generator) -> np.ndarray:
    base, speed = rng.uniform(2200, 4500), rng.uniform(12, 35)

    def chirp() -> np.ndarray:
        n = int(rng.uniform(0.08, 0.25) * RATE)
        t = np.arange(n) / RATE
        bend = rng.uniform(-0.4, 0.4) * t * RATE / n + 0.12 * np.sin(2 * np.pi * speed * t)
        return np.sin(2 * np.pi * np.cumsum(base * (1 + bend)) / RATE) * np.hanning(n)
    return _events(rng, (0.15, 0.4), 0.4, chirp)


SOUNDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "siren": siren, "rain": rain, "wind": wind, "clock": clock, "alarm": alarm, "engine": engine, "bell": bell, "clapping": clapping,
    "dog": dog, "bird": bird,
}
