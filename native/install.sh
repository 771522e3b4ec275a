#!/usr/bin/env bash
# Installs native TensorFlow for the trainer into the folder beside this script: install.sh cpu|gpu [libtensorflow].
# Without a second argument tfjs-node's own script fetches libtensorflow 2.9.1 from Google's storage. Else the addon is built
# against the given one: "pip" for PyPI's, or a folder, as a Python wheel or libtensorflow's own archive lays it out.
set -euo pipefail

kind=$1
library=${2:-}
cd "$(dirname "$0")/$kind"
package=node_modules/@tensorflow/tfjs-node
wheel='--no-deps tensorflow-cpu==2.21.0'
if [ "$kind" = gpu ]; then
  package=node_modules/@tensorflow/tfjs-node-gpu
  # Brings CUDA and cuDNN along; the machine needs no more than the driver.
  wheel='tensorflow[and-cuda]==2.21.0'
fi

if [ -z "$library" ]; then
  # A host that does not answer would hold npm for ever.
  timeout 900 npm ci --no-audit --no-fund || {
    echo "libtensorflow could not be fetched; try: make native-$kind LIBTENSORFLOW=pip" >&2
    exit 1
  }
else
  npm ci --ignore-scripts --no-audit --no-fund
  if [ "$library" = pip ]; then
    # shellcheck disable=SC2086
    python3 -m pip install --quiet --disable-pip-version-check --upgrade --target libtensorflow $wheel
    library=libtensorflow/tensorflow
  fi
  library=$(cd "$library" && pwd)
  core=$(find "$library" -name 'libtensorflow_cc.so.2' -o -name 'libtensorflow.so.2' | sort | head -n 1)
  [ -n "$core" ] || { echo "LIBTENSORFLOW: there is no libtensorflow.so.2 or libtensorflow_cc.so.2 under $library" >&2; exit 1; }
  folder=$(dirname "$core")
  mkdir -p "$package/deps/lib"
  ln -sfn "$library/include" "$package/deps/include"
  # The linker looks for these names; what it records is the library's own name, found where the library lies.
  ln -sf "$core" "$package/deps/lib/libtensorflow.so"
  ln -sf "$folder/libtensorflow_framework.so.2" "$package/deps/lib/libtensorflow_framework.so"
  (cd "$package" && LDFLAGS="-Wl,-rpath,$folder" npx --no-install node-pre-gyp install --build-from-source)
fi

# Loads only when addon and library fit each other.
node -e "const tf = require('./$package'); console.log('native TensorFlow is ready, GPU: ' + (tf.backend().isUsingGpuDevice ? 'yes' : 'no'))"
