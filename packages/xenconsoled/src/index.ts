export { Xenconsoled, type XenconsoledParts } from './xenconsoled.ts';
