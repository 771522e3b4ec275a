/** An assembly thread: does what it is told, one frame after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { findTurbojpeg } from '../../../lib/pixels/turbojpeg.js';
import { Assembler } from './assembler.js';
import type { AssemblyThreadInput, ToThread } from './messages.js';

const { memory, turbojpeg } = workerData as AssemblyThreadInput;
const assembler = new Assembler(memory, findTurbojpeg(turbojpeg).turbojpeg);
// Frames share the thread's room, so one must be done before the next begins; some wait for a decoder.
let last = Promise.resolve();

parentPort?.on('message', (message: ToThread) => {
  last = last.then(async () => {
    if (message.kind === 'recipe') assembler.learn(message);
    else if (message.kind === 'forget') assembler.forget(message.recipeId);
    else if (message.kind === 'end') parentPort?.close();
    else parentPort?.postMessage(await assembler.assemble(message));
  });
});
