/** Whether this machine can have a GPU: asked before Dawn is, as drivers that imitate one print to stderr. */
import { existsSync } from 'node:fs';

/** By which Linux shows GPUs: its own drivers, NVIDIA's, and that of Windows around it. */
const DEVICES = ['/dev/dri', '/dev/nvidiactl', '/dev/dxg'];

/** Also true where devices are not files. */
export function hasGpuDevice(devices: readonly string[] = DEVICES): boolean {
  return process.platform !== 'linux' || devices.some((device) => existsSync(device));
}
