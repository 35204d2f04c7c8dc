/** Archives are written and days dropped by one at a time. Any constant that no other advisory lock of ours has. */
export const ARCHIVE_LOCK = 7_226_202;
