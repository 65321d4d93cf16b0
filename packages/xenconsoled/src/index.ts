export { InputQueue } from './input-queue.ts';
export { Xenconsoled, type XenconsoledParts } from './xenconsoled.ts';
