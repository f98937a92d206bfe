"""Data to learn from."""

from .toys import gen_data, gen_data_linear, gen_data_moons, gen_data_yinyang, split

__all__ = ["gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"]
