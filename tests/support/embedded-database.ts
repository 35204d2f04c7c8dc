import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareDataDir } from '../../shared/database/data-dir.ts';
import { openEmbeddedDatabase } from '../../shared/database/embedded.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { silent } from './history.ts';

const LOOK_EVERY_MS = 50;

/**
 * Puts a database with its tables into a DATA_DIR that has none, as the first start of a process leaves it. To make one takes ten
 * seconds of work: the first test of a run that asks does it, and the others get copies. For tests of what comes after a first start.
 */
export async function provideDatabase(dataDir: string): Promise<void> {
  const made = await madeDatabase();
  await cp(join(made, 'postgres'), join(prepareDataDir(dataDir), 'postgres'), { recursive: true });
}

/** A folder of this run: its tests run in several processes, of which one makes the database. */
async function madeDatabase(): Promise<string> {
  const folder = process.env.TEST_RUN_FOLDER;
  if (folder === undefined) throw new Error('no folder for this run: see tests/support/global-setup.ts');
  const made = join(folder, 'embedded');
  const making = `${made}.making`;
  while (!existsSync(made)) {
    if (!(await isMine(making))) await sleep(LOOK_EVERY_MS);
    // It may have been made between the two looks
    else if (!existsSync(made)) await make(making, made);
  }
  return made;
}

async function make(making: string, made: string): Promise<void> {
  try {
    const database = await openEmbeddedDatabase(making, (error) => {
      throw error;
    });
    await migrate(database.connectionString, silent);
    await database.close();
    await rename(making, made);
  } catch (error) {
    // The next one tries
    await rm(making, { recursive: true, force: true });
    throw error;
  }
}

/** A folder can be made once. */
async function isMine(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
