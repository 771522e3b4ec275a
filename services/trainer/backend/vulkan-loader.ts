/** Whether this machine has what Dawn reaches a GPU by: asked before Dawn is, which prints to stderr where it is missing. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

const require = createRequire(import.meta.url);

/** Dawn has other ways on other systems. The name is looked for by the system's loader, as Dawn does. */
const LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: 'libvulkan.so.1' };

/** Also true where nothing of the kind is needed. `library` is Vulkan's loader. */
export function hasVulkanLoader(library: string | undefined = LIBRARIES[process.platform]): boolean {
  if (library === undefined) return true;
  try {
    (require('koffi') as typeof Koffi).load(library).unload();
    return true;
  } catch {
    return false;
  }
}
