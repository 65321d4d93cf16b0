export { type CapturedFrame, type CaptureInterface, PcapngWriter } from './pcapng-writer.ts';
