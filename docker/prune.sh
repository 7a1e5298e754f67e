#!/bin/sh
# Removes from a virtual environment what no process of a site or coordinator uses: headers, tests, installers.
set -eu
cd "$1"
rm -f bin/uv bin/uvx bin/torchfrtrace bin/torchrun
find lib -type f -path '*/site-packages/torch/bin/*' ! -name torch_shm_manager -delete
find lib -depth -type d \( -path '*/site-packages/torch/include' -o -path '*/site-packages/torch/share' \
  -o -path '*/site-packages/torch/test' \
  -o -path '*/site-packages/pyarrow/include' -o -path '*/site-packages/numpy/*/include' \) -exec rm -rf {} +
find lib -depth -type d \( -name tests -o -name test \) -path '*/site-packages/*' ! -path '*/torch/*' -exec rm -rf {} +
find lib -type f \( -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.cpp' -o -name '*.hpp' \) -delete
