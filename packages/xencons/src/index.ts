export { Xencons, type XenconsKern, xencons_softc } from './xencons.ts';
export { xenconsText } from './xencons-text.ts';
