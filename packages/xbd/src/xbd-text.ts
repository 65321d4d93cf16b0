import type { Text } from '@port-xen/kern';
import { attachText } from './attach-text.ts';
import { diskText } from './disk-text.ts';
import { suspendText } from './suspend-text.ts';
import type { Xbd } from './xbd.ts';

/** All of the disk driver's text. */
export const xbdText: Text<Xbd> = { ...diskText, ...attachText, ...suspendText };
