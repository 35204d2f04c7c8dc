import { readFileSync, writeFileSync } from 'node:fs';
import { type Lock, licenceDocument } from './list.ts';

// In the folder of the repository, as npm runs it
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
writeFileSync('THIRD-PARTY-LICENSES.md', licenceDocument(lock));
