// constant: writes a constant of the model, where an operator wants a tensor.
#include <algorithm>

#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class Constant final : public Op {
 public:
  Constant(const StepSpec& step, const BuildContext& context)
      : mask_(context.kernels, context.output(step, 0)) {
    const TensorSpec& y = context.output(step, 0);
    const ConstantView& value = step.get_constant("value", y.shape);
    if (y.layout == Layout::kRow) {
      values_ = AlignedFloats(value.values.size());
      std::copy(value.values.begin(), value.values.end(), values_.data());
      return;
    }
    const int64_t area = y.h() * y.w();
    pixels_ = y.n() * area;
    width_ = y.padded_c();
    values_ = AlignedFloats(static_cast<size_t>(pixels_ * width_));
    for (int64_t image = 0; image < y.n(); ++image)
      for (int64_t channel = 0; channel < y.c(); ++channel)
        for (int64_t pixel = 0; pixel < area; ++pixel)
          values_.data()[(image * area + pixel) * width_ + channel] =
              value.values[static_cast<size_t>((image * y.c() + channel) * area + pixel)];
  }

  void run(const RunContext& context) const override {
    const Tensor& y = context.outputs[0];
    if (y.spec->layout == Layout::kRow) {
      std::copy_n(values_.data(), values_.size(), y.as<float>());
      return;
    }
    for (int64_t pixel = 0; pixel < pixels_; ++pixel)
      std::copy_n(values_.data() + pixel * width_, width_, y.as<float>() + pixel * y.spec->pixel_stride);
    mask_.write(y, 0, pixels_);
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  MaskWriter mask_;
  AlignedFloats values_;
  int64_t pixels_ = 0, width_ = 0;
};

}  // namespace

std::unique_ptr<Op> make_constant(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 0, 1);
  return std::make_unique<Constant>(step, context);
}

}  // namespace zeroskip
