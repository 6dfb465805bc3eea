"""What ``pyproject.toml`` cannot say: the packages are all those below ``src``, and ``conf``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "contractive.conf"],
    package_dir={"": "src", "contractive.conf": "conf"},
    package_data={"contractive": ["py.typed"], "contractive.conf": ["**/*.yaml"]},
)
