"""One line that says on what a figure was measured."""

import os
import platform
from pathlib import Path

import numpy
import scipy
import sklearn
from threadpoolctl import threadpool_info


def describe() -> str:
    """Processor, cores, threads of the linear algebra, and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    blas = ", ".join(sorted({f"{i['internal_api']} {i['version']} x{i['num_threads']}" for i in threadpool_info()}))
    versions = f"numpy {numpy.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    return f"{model}, {os.cpu_count()} cores; {blas}; {versions}"
