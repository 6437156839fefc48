"""From a model and photographs to a faster model: python analyze_calibrate_run.py MODEL PHOTOS [OUT].

The preprocessing must be the one the model was trained with; here it is ImageNet's.
"""

import sys

import zeroskip as zs

model, photos, output = (*sys.argv[1:], "model.fatrelu.onnx")[:3]
recipe = zs.data.Preprocess.preset("imagenet").fitted_to(zs.InferenceSession(model).get_inputs()[0].shape)
data = zs.data.image_folder(photos, recipe)

profile = zs.analyze(model, data)
print(profile.verdict)  # will my model get faster, and by how much?

result = zs.calibrate(model, data, max_drop=0.01)  # the holdout must confirm it
print(result.message)
zs.apply(model, result.thresholds).save(output)  # standard ONNX: any runtime computes the same

session = zs.InferenceSession(output)
(name,) = [item.name for item in session.get_inputs()]
outputs = session.run(None, {name: data.subset(4).array()})
print(outputs[0].shape, session.explain())
