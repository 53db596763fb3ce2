// Runs exported models by onnxruntime-web: node run.mjs INPUTS.json MODEL...
// Prints, for each model, [log_probs, log_probs_lengths] as JSON on a line.
import { readFileSync } from 'node:fs'
import * as ort from 'onnxruntime-web'

ort.env.wasm.numThreads = 1
const [inputs, ...models] = process.argv.slice(2)
const { frames, bins, features } = JSON.parse(readFileSync(inputs, 'utf8'))
for (const model of models) {
  const session = await ort.InferenceSession.create(readFileSync(model))
  const found = await session.run({
    features: new ort.Tensor('float32', Float32Array.from(features), [1, frames, bins]),
    lengths: new ort.Tensor('int64', BigInt64Array.from([BigInt(frames)]), [1]),
  })
  const lengths = Array.from(found.log_probs_lengths.data, Number)
  console.log(JSON.stringify([Array.from(found.log_probs.data), lengths]))
}
