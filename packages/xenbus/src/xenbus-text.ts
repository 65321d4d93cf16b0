import type { Text } from '@port-xen/kern';
import { busText } from './bus-text.ts';
import { deviceText } from './device-text.ts';
import { suspendText } from './suspend-text.ts';
import { sysrqText } from './sysrq-xenbus.ts';
import type { Xenbus } from './xenbus.ts';

/** The bus, its devices, its suspend and resume; the key for the kernel. */
export const xenbusText: Text<Xenbus> = { ...busText, ...deviceText, ...suspendText, ...sysrqText };
