export { ask } from './ask.ts';
export { PlainDevice } from './plain-device.ts';
export { PlainXen } from './plain-xen.ts';
