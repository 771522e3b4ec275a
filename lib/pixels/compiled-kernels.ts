/** The WebAssembly that the kernels are built into. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { packageRoot } from '../platform/package-root.js';

/** Each compiled once a thread, so that code V8 has optimised stays. */
const compiled = new Map<string, WebAssembly.Module>();

/** What a module of that name exports, to work in that memory. Throws ERR_NOT_FOUND when it has not been built. */
export function instantiateCompiled(name: string, memory: WebAssembly.Memory | WebAssembly.SharedMemory): unknown {
  let module = compiled.get(name);
  if (module === undefined) {
    const path = join(packageRoot(), 'dist', 'lib', 'pixels', `${name}.wasm`);
    if (!existsSync(path)) {
      throw new MillraceError('ERR_NOT_FOUND', `${path} is not there; "make build" makes it`, { context: { path } });
    }
    module = new WebAssembly.Module(readFileSync(path));
    compiled.set(name, module);
  }
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}
