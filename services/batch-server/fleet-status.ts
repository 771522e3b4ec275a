/** The status of all processes of a fleet: whichever is asked for it asks the first one, which has lines to all of them. */
import type { Worker } from 'node:cluster';
import { sleep } from '../../lib/platform/lifecycle.js';
import type { ProcessStatus } from './server-status.js';

/** Between the first process and the others. `ask` and `answer` are one's question, `tell` and `told` the question put to each. */
type Message =
  | { readonly status: 'ask' | 'tell'; readonly id: number }
  | { readonly status: 'told'; readonly id: number; readonly process: ProcessStatus }
  | { readonly status: 'answer'; readonly id: number; readonly processes: readonly ProcessStatus[] };

/** A process that has not answered by then is left out. */
const PATIENCE_MS = 2_000;

let nextId = 0;

/** In the first process: answers questions of `worker` with what all of `workers` tell. */
export function relayStatus(worker: Worker, workers: ReadonlySet<Worker>): void {
  worker.on('message', (message: Partial<Message>) => {
    if (message.status === 'ask') void gather(worker, message.id ?? 0, workers);
  });
}

async function gather(asking: Worker, askedId: number, workers: ReadonlySet<Worker>): Promise<void> {
  const told = await Promise.all([...workers].map(askOne));
  const processes = told.filter((status) => status !== undefined);
  if (asking.isConnected()) send(asking, { status: 'answer', id: askedId, processes });
}

async function askOne(worker: Worker): Promise<ProcessStatus | undefined> {
  const id = nextId++;
  const isOver = new AbortController();
  try {
    return await new Promise((resolve) => {
      const hear = (message: Partial<Message>): void => {
        if (message.status === 'told' && message.id === id) resolve(message.process);
      };
      const giveUp = (): void => resolve(undefined);
      worker.on('message', hear);
      worker.once('exit', giveUp);
      isOver.signal.addEventListener('abort', () => worker.off('message', hear).off('exit', giveUp));
      void sleep(PATIENCE_MS, isOver.signal).then(giveUp);
      if (worker.isConnected()) send(worker, { status: 'tell', id });
      else giveUp();
    });
  } finally {
    isOver.abort();
  }
}

function send(worker: Worker, message: Message): void {
  // It may die at any moment.
  worker.send(message, () => undefined);
}

/** In one of the others: tells the first process what it asks for. */
export function tellStatus(own: () => ProcessStatus): void {
  process.on('message', (message: Partial<Message>) => {
    if (message.status !== 'tell') return;
    const told: Message = { status: 'told', id: message.id ?? 0, process: own() };
    process.send?.(told);
  });
}

/** In one of the others: the status of all processes that answer. */
export function askFleet(): Promise<readonly ProcessStatus[]> {
  const id = nextId++;
  return new Promise((resolve) => {
    const hear = (message: Partial<Message>): void => {
      if (message.status !== 'answer' || message.id !== id) return;
      process.off('message', hear);
      resolve(message.processes ?? []);
    };
    process.on('message', hear);
    const ask: Message = { status: 'ask', id };
    process.send?.(ask);
  });
}
