#include "kernels/common/partial.h"
#include "kernels/eltwise/vector_math.h"
#include "kernels/recurrent/recurrent.h"

namespace zeroskip::ZS_ISA {
namespace {

// Calls visit(u, lanes) for every vector of units.
template <typename Visit>
inline void for_each_vector(const RecurrentCellArgs& args, const Visit& visit) {
  for (int64_t u = 0; u < args.count; u += kLanes) visit(u, lanes_left(args.count - u));
}

inline Vec of_input(const RecurrentCellArgs& args, int64_t gate, int64_t u, int64_t lanes) {
  return load_some(args.x + gate * args.x_stride + u, lanes, 0.0f);
}

inline Vec of_state(const RecurrentCellArgs& args, int64_t gate, int64_t u) {
  return load(args.sums + gate * args.sums_stride + u);
}

inline Vec gate(const RecurrentCellArgs& args, int64_t index, int64_t u, int64_t lanes) {
  return of_input(args, index, u, lanes) + of_state(args, index, u);
}

inline Vec state_before(const RecurrentCellArgs& args, int64_t u, int64_t lanes) {
  return args.before ? load_some(args.before + u, lanes, 0.0f) : Vec{};
}

// update * before + (1 - update) * hidden
inline Vec mixed(Vec update, Vec before, Vec hidden) {
  return update * before + (broadcast(1.0f) - update) * hidden;
}

}  // namespace

void f32_lstm_cell(const RecurrentCellArgs& args) {
  for_each_vector(args, [&](int64_t u, int64_t lanes) {
    const Vec input = sigmoid(gate(args, 0, u, lanes)), output = sigmoid(gate(args, 1, u, lanes));
    const Vec forget = sigmoid(gate(args, 2, u, lanes)), proposed = tanh(gate(args, 3, u, lanes));
    const Vec cell = forget * load(args.cell + u) + input * proposed;
    store(args.cell + u, cell);
    store_some(args.y + u, output * tanh(cell), lanes);
  });
}

void f32_gru_cell(const RecurrentCellArgs& args) {
  for_each_vector(args, [&](int64_t u, int64_t lanes) {
    const Vec update = sigmoid(gate(args, 0, u, lanes)), reset = sigmoid(gate(args, 1, u, lanes));
    const Vec hidden = tanh(of_input(args, 2, u, lanes) + reset * of_state(args, 2, u));
    store_some(args.y + u, mixed(update, state_before(args, u, lanes), hidden), lanes);
  });
}

void f32_gru_reset(const RecurrentCellArgs& args) {
  for_each_vector(args, [&](int64_t u, int64_t lanes) {
    store(args.update + u, sigmoid(gate(args, 0, u, lanes)));
    store_some(args.y + u, sigmoid(gate(args, 1, u, lanes)) * state_before(args, u, lanes), lanes);
  });
}

void f32_gru_update(const RecurrentCellArgs& args) {
  for_each_vector(args, [&](int64_t u, int64_t lanes) {
    const Vec hidden = tanh(gate(args, 0, u, lanes));
    store_some(args.y + u, mixed(load(args.update + u), state_before(args, u, lanes), hidden), lanes);
  });
}

void f32_rnn_tanh(const RecurrentCellArgs& args) {
  for_each_vector(
      args, [&](int64_t u, int64_t lanes) { store_some(args.y + u, tanh(gate(args, 0, u, lanes)), lanes); });
}

void f32_rnn_relu(const RecurrentCellArgs& args) {
  for_each_vector(args, [&](int64_t u, int64_t lanes) {
    store_some(args.y + u, fatrelu(gate(args, 0, u, lanes), Vec{}), lanes);
  });
}

}  // namespace zeroskip::ZS_ISA
