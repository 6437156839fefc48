// recurrence: an LSTM, a GRU or a plain RNN behind the product of its input with its weights, which a linear step has
// made for all steps at once: x [T, N, D * G * H] for T steps, N rows, D directions, G gates of H units.
//
// What is left of a step is one product with the state so far, whose weights are read anew for every step. Units are
// cut into strips whose weights for all gates lie together, so that the sums of a strip never leave the first cache
// before they become the new state. One direction is one task where there are threads for no more; else threads share
// the strips and meet after every step: each then reads the same part of the weights again, out of its own cache.
#include <algorithm>
#include <array>

#include "kernels/lookup.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/packed_weights.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kStripColumns = 64;
// Below this many bytes of weights for each thread a step takes less time than the threads need to meet.
constexpr int64_t kMinThreadBytes = 96 << 10;

// A product of the state with the weights of some gates, and what makes a state of it.
struct Phase {
  Kernel<RecurrentCellFn> cell;
  int64_t first_gate = 0, gates = 0;
  SharedWeights weights{};  // [directions][strips][panels of a strip][units][columns of a panel]
};

class Recurrence final : public Op {
 public:
  Recurrence(const StepSpec& step, const BuildContext& context);

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override {
    return static_cast<size_t>(num_threads_ * sums_floats() + 2 * directions_ * state_floats()) * kFloat;
  }
  std::string kernel_name() const override { return std::string(phases_[0].cell.name) + "|f32_gemm"; }

 private:
  void parse_kind(const StepSpec& step, const BuildContext& context);
  void check_tensors(const StepSpec& step, const BuildContext& context);
  void pack(const StepSpec& step, const BuildContext& context);

  // The columns whose weights lie side by side: of a single row all of a strip; of several those of a tile of the GEMM,
  // which reads them once for each few rows.
  int64_t panel_columns(const Phase& phase) const {
    return rows_ == 1 ? phase.gates * strip_units_ : kChannelBlock;
  }
  int64_t sums_floats() const { return rows_ * kStripColumns; }
  int64_t padded_units() const { return round_up(units_, kChannelBlock); }
  int64_t state_floats() const { return rows_ * padded_units(); }
  float* sums(const RunContext& context, int thread) const {
    return reinterpret_cast<float*>(context.scratch.data()) + thread * sums_floats();
  }
  // The cell state of an LSTM, the update gate of a GRU in two phases; the other: its state after the reset.
  float* kept(const RunContext& context, int64_t direction, bool other) const {
    return sums(context, num_threads_) + (2 * direction + (other ? 1 : 0)) * state_floats();
  }
  int64_t place(int64_t direction, int64_t time) const {
    return first_is_reversed_ || direction == 1 ? times_ - 1 - time : time;
  }
  float* state(const RunContext& context, int64_t direction, int64_t time) const {
    return context.outputs[0].as<float>() +
           (place(direction, time) * directions_ + direction) * rows_ * units_;
  }
  // The state in front of a step; null is zero.
  const float* state_before(const RunContext& context, int64_t direction, int64_t time) const {
    if (time > 0) return state(context, direction, time - 1);
    if (context.inputs.size() < 2) return nullptr;
    return context.inputs[1].as<float>() + direction * rows_ * units_;
  }

  void advance(const RunContext& context, int64_t direction, int64_t time, int64_t first_strip,
               int64_t strips, int thread) const;
  void advance_strip(const RunContext& context, const Phase& phase, int64_t direction, int64_t time,
                     int64_t strip, int thread) const;
  void begin_cells(const RunContext& context, int64_t direction, int64_t first, int64_t count) const;
  void store_last(const RunContext& context, int64_t direction, int64_t first, int64_t count) const;

  const KernelTable& kernels_;
  bool is_lstm_ = false, first_is_reversed_ = false;
  int64_t directions_ = 1, gates_ = 1, strip_units_ = kChannelBlock;
  int64_t times_ = 0, rows_ = 0, units_ = 0;
  std::vector<Phase> phases_;
  AlignedFloats bias_;  // of what the state says of a GRU's hidden gate: [directions][units]
  Split strips_{}, shares_{};
  int num_threads_;
};

Recurrence::Recurrence(const StepSpec& step, const BuildContext& context)
    : kernels_(context.kernels), num_threads_(context.num_threads) {
  parse_kind(step, context);
  check_tensors(step, context);
  strips_ = {units_, strip_units_};
  const int64_t bytes = gates_ * units_ * units_ * kFloat;
  const int64_t wanted = std::min(num_threads_ / directions_, bytes / kMinThreadBytes);
  const bool can_share = phases_.size() == 1;
  shares_ = {strips_.tasks(), ceil_div(strips_.tasks(), can_share ? std::max<int64_t>(1, wanted) : 1)};
  pack(step, context);
}

void Recurrence::parse_kind(const StepSpec& step, const BuildContext& context) {
  const std::string direction = step.get_string("direction", "forward");
  check(direction == "forward" || direction == "reverse" || direction == "bidirectional", "direction is '",
        direction, "', needs forward, reverse or bidirectional");
  first_is_reversed_ = direction == "reverse";
  directions_ = direction == "bidirectional" ? 2 : 1;
  const auto phase = [&](const char* kind, int64_t first_gate, int64_t gates) {
    phases_.push_back({get_kernel<RecurrentCellFn>(context.kernels, {.kind = kind}), first_gate, gates});
  };
  const std::string kind = step.get_string("kind", "");
  is_lstm_ = kind == "lstm";
  gates_ = is_lstm_ ? 4 : kind == "rnn_tanh" || kind == "rnn_relu" ? 1 : 3;
  if (gates_ == 1) strip_units_ = kStripColumns;
  if (is_lstm_) {
    phase("lstm_cell", 0, 4);
  } else if (gates_ == 1) {
    phase(kind.c_str(), 0, 1);
  } else if (kind == "gru") {
    phase("gru_reset", 0, 2), phase("gru_update", 2, 1);
  } else {
    check(kind == "gru_reset_after", "kind is '", kind,
          "', needs one of lstm, gru, gru_reset_after, rnn_tanh, rnn_relu");
    phase("gru_cell", 0, 3);
  }
}

void Recurrence::check_tensors(const StepSpec& step, const BuildContext& context) {
  const size_t states = is_lstm_ ? 2 : 1;
  check(step.inputs.size() == 1 || step.inputs.size() == 1 + states, "takes 1 input or ", 1 + states,
        ", got ", step.inputs.size());
  require_counts(step, step.inputs.size(), 1 + states);
  for (size_t i = 0; i < step.inputs.size(); ++i) require_layout(context.input(step, i), Layout::kRow);
  for (size_t i = 0; i < 1 + states; ++i) require_layout(context.output(step, i), Layout::kRow);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  check(y.shape.size() == 4, "y needs shape [steps, directions, rows, units], got ", shape_text(y.shape));
  times_ = y.shape[0], rows_ = y.shape[2], units_ = y.shape[3];
  check(units_ <= (int64_t{1} << 24), "more than 2^24 units");  // their square is counted in bytes
  require_shape(y, {times_, directions_, rows_, units_});
  require_shape(x, {times_, rows_, directions_ * gates_ * units_});
  for (size_t i = 0; i < states; ++i) {
    require_shape(context.output(step, 1 + i), {directions_, rows_, units_});
    if (step.inputs.size() > 1) require_shape(context.input(step, 1 + i), {directions_, rows_, units_});
  }
}

void Recurrence::pack(const StepSpec& step, const BuildContext& context) {
  const ConstantView& weight = step.get_constant("weight", {directions_, gates_ * units_, units_});
  for (Phase& phase : phases_) {
    const int64_t width = phase.gates * strip_units_, panel = panel_columns(phase);
    const auto packed = [&] {
      AlignedFloats values(static_cast<size_t>(directions_ * strips_.tasks() * units_ * width));
      for (int64_t strip = 0; strip < directions_ * strips_.tasks(); ++strip) {
        const int64_t direction = strip / strips_.tasks(), first = strips_.begin(strip % strips_.tasks());
        for (int64_t column = 0; column < width; ++column) {
          const int64_t gate = phase.first_gate + column / strip_units_, unit = first + column % strip_units_;
          if (unit >= units_) continue;
          const float* from = weight.values.data() + ((direction * gates_ + gate) * units_ + unit) * units_;
          float* to = values.data() + (strip * width + column / panel * panel) * units_ + column % panel;
          for (int64_t k = 0; k < units_; ++k) to[k * panel] = from[k];
        }
      }
      return values;
    };
    const std::string key = weight.name + "/recurrence" + std::to_string(phase.first_gate) + "+" +
                            std::to_string(phase.gates) + "of" + std::to_string(gates_) + "by" +
                            std::to_string(panel);
    phase.weights = shared_weights(context, key, DataType::kFloat32, packed);
  }
  if (!step.find_constant("bias")) return;
  check(gates_ == 3 && phases_.size() == 1, "only gru_reset_after takes a bias: the linear step adds others");
  bias_ = pad_channels(step.get_constant("bias", {directions_, units_}));
}

void Recurrence::run(const RunContext& context) const {
  const int64_t shares = shares_.tasks();
  if (shares == 1) {
    parallel_for(context.num_threads, directions_, [&](int64_t direction, int thread) {
      for (int64_t time = 0; time < times_; ++time)
        advance(context, direction, time, 0, strips_.tasks(), thread);
    });
    return;
  }
  for (int64_t time = 0; time < times_; ++time)
    parallel_for(context.num_threads, directions_ * shares, [&](int64_t task, int thread) {
      advance(context, task / shares, time, shares_.begin(task % shares), shares_.count(task % shares),
              thread);
    });
}

void Recurrence::advance(const RunContext& context, int64_t direction, int64_t time, int64_t first_strip,
                         int64_t strips, int thread) const {
  const int64_t first = strips_.begin(first_strip);
  const int64_t count = std::min(strips * strip_units_, units_ - first);
  if (time == 0 && is_lstm_) begin_cells(context, direction, first, count);
  for (const Phase& phase : phases_)
    for (int64_t i = 0; i < strips;
         ++i)  // to and fro: what the last step read at its end is still in the cache
      advance_strip(context, phase, direction, time, first_strip + (time % 2 ? strips - 1 - i : i), thread);
  if (time == times_ - 1) store_last(context, direction, first, count);
}

void Recurrence::advance_strip(const RunContext& context, const Phase& phase, int64_t direction, int64_t time,
                               int64_t strip, int thread) const {
  const int64_t first = strips_.begin(strip), width = phase.gates * strip_units_;
  const bool resets = phases_.size() == 2 && phase.first_gate == 0, updates = phase.first_gate > 0;
  const float* before = state_before(context, direction, time);
  float* reset = kept(context, direction, true);
  float* sum = sums(context, thread);
  std::fill_n(sum, rows_ * width, 0.0f);
  if (bias_.size())
    for (int64_t row = 0; row < rows_; ++row)
      std::copy_n(bias_.data() + direction * units_ + first, strips_.count(strip),
                  sum + row * width + 2 * strip_units_);
  const int64_t panel = panel_columns(phase);
  const float* weights = phase.weights->floats((direction * strips_.tasks() + strip) * units_ * width);
  for (int64_t column = 0; before && column < width; column += panel)
    kernels_.f32_gemm({.rows = rows_,
                       .depth = units_,
                       .blocks = panel / kChannelBlock,
                       .a = updates ? reset : before,
                       .a_stride = units_,
                       .b = weights + column * units_,
                       .b_stride = panel,
                       .c = sum + column,
                       .c_stride = width});
  const int64_t x_columns = gates_ * units_;
  const float* x = context.inputs[0].as<float>() + place(direction, time) * rows_ * directions_ * x_columns +
                   direction * x_columns + phase.first_gate * units_ + first;
  float* y = resets ? reset : state(context, direction, time);
  float* beside = kept(context, direction, false);
  for (int64_t row = 0; row < rows_; ++row)
    phase.cell.function({.count = strips_.count(strip),
                         .x = x + row * directions_ * x_columns,
                         .x_stride = units_,
                         .sums = sum + row * width,
                         .sums_stride = strip_units_,
                         .before = before ? before + row * units_ + first : nullptr,
                         .cell = beside + row * padded_units() + first,
                         .update = beside + row * padded_units() + first,
                         .y = y + row * units_ + first});
}

void Recurrence::begin_cells(const RunContext& context, int64_t direction, int64_t first,
                             int64_t count) const {
  const float* given =
      context.inputs.size() > 2 ? context.inputs[2].as<float>() + direction * rows_ * units_ : nullptr;
  for (int64_t row = 0; row < rows_; ++row) {
    float* cell = kept(context, direction, false) + row * padded_units() + first;
    std::fill_n(cell, round_up(count, kChannelBlock), 0.0f);
    if (given) std::copy_n(given + row * units_ + first, count, cell);
  }
}

void Recurrence::store_last(const RunContext& context, int64_t direction, int64_t first,
                            int64_t count) const {
  const float* last = state(context, direction, times_ - 1);
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t to = (direction * rows_ + row) * units_ + first;
    std::copy_n(last + row * units_ + first, count, context.outputs[1].as<float>() + to);
    if (is_lstm_)
      std::copy_n(kept(context, direction, false) + row * padded_units() + first, count,
                  context.outputs[2].as<float>() + to);
  }
}

}  // namespace

std::unique_ptr<Op> make_recurrence(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<Recurrence>(step, context);
}

}  // namespace zeroskip
