import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A line where ARCHIVE_DIR can't be made or written in; checked at start, where it still is a matter of configuration. By writing: what
 * permissions say is not all (a file system may be read-only).
 */
export function archiveDirProblems(archiveDir: string): string[] {
  const probe = join(archiveDir, `.fleetcast-${process.pid}`);
  try {
    mkdirSync(archiveDir, { recursive: true, mode: 0o700 });
    writeFileSync(probe, '');
    rmSync(probe);
    return [];
  } catch (error) {
    return [`ARCHIVE_DIR can't be written in: ${(error as Error).message}`];
  }
}
