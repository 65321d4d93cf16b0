export {
  type Answered,
  DomainController,
  type DomainControllerParts,
} from './domain-controller.ts';
