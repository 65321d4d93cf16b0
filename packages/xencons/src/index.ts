export type { XenconsKern } from './console-queues.ts';
export { Xencons, xencons_softc } from './xencons.ts';
export { type ConsoleController, XenconsCtrlIf, xencons_ctrl_if_softc } from './xencons-ctrl-if.ts';
export { xenconsCtrlIfText, xenconsText } from './xencons-text.ts';
