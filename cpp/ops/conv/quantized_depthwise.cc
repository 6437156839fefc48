// quantized_depthwise: u8, one kernel per channel; y = requantise(conv(x - zero_point) + bias).
#include <algorithm>

#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/requantize.h"
#include "ops/shapes.h"
#include "ops/split.h"
#include "ops/window.h"

namespace zeroskip {
namespace {

// [C, 1, kh, kw] -> [pair of taps][C padded][2], zero for an absent last tap.
PackedValues<int16_t> pack_pairs(const int8_t* weight, int64_t channels, int64_t padded, int64_t taps) {
  PackedValues<int16_t> packed(static_cast<size_t>(ceil_div(taps, int64_t{2}) * padded * 2));
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t tap = 0; tap < taps; ++tap)
      packed.data()[(tap / 2 * padded + c) * 2 + tap % 2] = weight[c * taps + tap];
  return packed;
}

// bias - zero_point * (sum of the weights): kernels multiply x itself.
SharedValues<int32_t> pack_bias(const int32_t* bias, const int8_t* weight, const OutputLayout& outputs,
                                int64_t taps, int64_t zero_point) {
  PackedValues<int32_t> packed(static_cast<size_t>(outputs.count));
  for (int64_t c = 0; c < outputs.outputs; ++c) {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < taps; ++tap) sum += weight[c * taps + tap];
    packed.data()[c] = static_cast<int32_t>((bias ? bias[c] : 0) - zero_point * sum);
  }
  return std::make_shared<const PackedValues<int32_t>>(std::move(packed));
}

class QuantizedDepthwise final : public Op {
 public:
  QuantizedDepthwise(const StepSpec& step, const BuildContext& context)
      : y_(context.output(step, 0)),
        window_(parse_window(step, context.input(step, 0), y_, false)),
        kernel_(get_kernel<QdwconvFn>(context.kernels, {.kind = "qdwconv"})),
        requantizer_(parse_requantizer(step, plain_outputs(y_.c()))) {
    const int64_t taps = window_.taps(), zero_point = get_zero_point(step, "x_zero_point");
    check(taps <= kMostDepthwiseTaps, "a kernel of ", taps, " taps, at most ", kMostDepthwiseTaps,
          " are supported");
    const ConstantView& weight = step.get_constant("weight", {y_.c(), 1, window_.kernel_h, window_.kernel_w});
    const int8_t* values = weight.as<int8_t>();
    weights_ = context.weights.get(weight.name + "/u8 depthwise",
                                   [&] { return pack_pairs(values, y_.c(), y_.padded_c(), taps); });
    bias_ = pack_bias(find_values<int32_t>(step, "bias", y_.c()), values, plain_outputs(y_.c()), taps,
                      zero_point);
    outside_ = pack_outputs<uint8_t>(plain_outputs(y_.c()), nullptr, static_cast<uint8_t>(zero_point), 0);
    rows_ = split_items(y_.h(), y_.w() * y_.c() * taps / 8, context.num_threads);
  }

  void run(const RunContext& context) const override {
    parallel_for(context.num_threads, y_.n() * rows_.tasks(), [&](int64_t task, int) {
      const int64_t image = task / rows_.tasks(), range = task % rows_.tasks();
      for (int64_t oh = rows_.begin(range); oh < rows_.begin(range) + rows_.count(range); ++oh)
        kernel_.function(row_args(context, image, oh));
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  QdwconvArgs row_args(const RunContext& context, int64_t image, int64_t oh) const {
    const Tensor& x = context.inputs[0];
    QdwconvArgs args;
    args.x = x.as<uint8_t>() + image * x.spec->h() * x.spec->w() * x.spec->pixel_stride;
    args.x_stride = x.spec->pixel_stride;
    args.in_h = x.spec->h(), args.in_w = x.spec->w();
    args.first_row = window_.first_row(oh);
    args.kernel_h = window_.kernel_h, args.kernel_w = window_.kernel_w;
    args.stride_w = window_.stride_w, args.pad_left = window_.pad_left;
    args.dilation_h = window_.dilation_h, args.dilation_w = window_.dilation_w;
    args.outside = outside_->data();
    args.weights = weights_->data();
    args.pair_stride = y_.padded_c() * 2;
    args.bias = bias_->data();
    args.pixels = y_.w();
    args.blocks = ceil_div(y_.c(), int64_t{16});
    args.padding = y_.padded_c() / 16 - args.blocks;
    args.epilogue = requantizer_.at(0);
    args.epilogue.y_stride = y_.pixel_stride;
    args.epilogue.y = context.outputs[0].as<uint8_t>() + (image * y_.h() + oh) * y_.w() * y_.pixel_stride;
    return args;
  }

  const TensorSpec& y_;
  Window window_;
  Kernel<QdwconvFn> kernel_;
  Requantizer requantizer_;
  SharedValues<int16_t> weights_;
  SharedValues<int32_t> bias_;
  SharedValues<uint8_t> outside_;
  Split rows_{};
};

}  // namespace

std::unique_ptr<Op> make_quantized_depthwise(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<QuantizedDepthwise>(step, context);
}

}  // namespace zeroskip
