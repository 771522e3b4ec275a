import assert from 'node:assert/strict';
import { createLogger } from '../../../../lib/platform/logger.js';
import { AssemblyCrew } from '../../../../services/batch-server/assembly/assembly-crew.js';
import { FrameMemory } from '../../../../services/batch-server/assembly/frame-memory.js';
import type { FrameMessage, RecipeMessage } from '../../../../services/batch-server/assembly/messages.js';

type Job = Parameters<AssemblyCrew['tryRun']>[2];

const RECIPE = {
  ...{ kind: 'recipe', recipeId: 1, values: 0 },
  recipe: { stored: { height: 2, width: 2, channels: 3 }, transform: { dtype: 'uint8' } },
} as RecipeMessage;
/** A thread answers that it has not been told the recipe. */
const HARMLESS: Job = {
  recipeId: 2,
  request: { ids: [] } as unknown as FrameMessage['request'],
  ...{ descriptors: new Int32Array(), offsets: new Float64Array(), lengths: new Uint32Array(), target: 0 },
};

/** Ends a thread, which takes apart what is asked for: here there is nothing. */
const FATAL = { ...HARMLESS, recipeId: 1, request: undefined } as unknown as Job;

describe('AssemblyCrew', () => {
  let numChanges: number;
  let crew: AssemblyCrew;
  beforeEach(() => {
    numChanges = 0;
    const memory = new FrameMemory(8 << 20);
    crew = new AssemblyCrew({
      ...{ numThreads: 1, memory: memory.memory, turbojpeg: 'none', log: createLogger('test', 'silent') },
      allocate: (numBytes) => memory.allocate(numBytes),
      release: (extent) => memory.release(extent),
      onChange: () => numChanges++,
    });
  });
  afterEach(() => crew.close());

  it('takes two jobs a thread, and no third', async () => {
    const first = crew.tryRun(RECIPE, 1, HARMLESS);
    const second = crew.tryRun(RECIPE, 1, HARMLESS);
    assert.ok(!crew.hasRoom);
    assert.equal(crew.tryRun(RECIPE, 1, HARMLESS), undefined);
    for (const running of [first, second]) assert.match(JSON.stringify(await running), /no recipe 2/);
    assert.ok(crew.hasRoom);
  });

  it('replaces a thread that dies, and says that its jobs are lost', async () => {
    const lost = crew.tryRun(RECIPE, 1, FATAL);
    assert.equal(await lost, undefined);
    assert.equal(numChanges, 1);
    assert.match(JSON.stringify(await crew.tryRun(RECIPE, 1, HARMLESS)), /no recipe 2/);
  });

  it('gives up when its threads die and do nothing else', async () => {
    for (let i = 0; i < 4; i++) {
      assert.ok(!crew.isBroken);
      assert.equal(await crew.tryRun(RECIPE, 1, FATAL), undefined);
    }
    assert.ok(crew.isBroken);
    assert.equal(crew.tryRun(RECIPE, 1, HARMLESS), undefined);
  });

  it('loses what is under way when it is closed', async () => {
    const running = crew.tryRun(RECIPE, 1, FATAL);
    await crew.close();
    assert.equal(await running, undefined);
  });
});
