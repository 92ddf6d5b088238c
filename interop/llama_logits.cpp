// Writes llama.cpp's logits [tokens, vocab] after each token, fp32: MODEL IDS OUT [LORA]
#include <cstdio>
#include <vector>

#include "llama.h"

int main(int count, char ** arguments) {
    if (count != 4 && count != 5) {
        fprintf(stderr, "want MODEL IDS OUT [LORA]\n");
        return 2;
    }
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model * model = llama_model_load_from_file(arguments[1], llama_model_default_params());
    FILE * ids = fopen(arguments[2], "r");
    FILE * out = fopen(arguments[3], "wb");
    if (!model || !ids || !out) {
        fprintf(stderr, "can't open %s\n", !model ? arguments[1] : !ids ? arguments[2] : arguments[3]);
        return 2;
    }
    llama_context_params settings = llama_context_default_params();
    settings.n_ctx = settings.n_batch = 1024;
    settings.n_threads = settings.n_threads_batch = 2;
    settings.type_k = settings.type_v = GGML_TYPE_F32;
    settings.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    llama_context * context = llama_init_from_model(model, settings);
    if (count == 5) {
        llama_adapter_lora * adapter = llama_adapter_lora_init(model, arguments[4]);
        float scale = 1;
        if (!adapter || llama_set_adapters_lora(context, &adapter, 1, &scale)) {
            fprintf(stderr, "can't use %s\n", arguments[4]);
            return 2;
        }
    }
    std::vector<llama_token> tokens;
    for (int id; fscanf(ids, "%d", &id) == 1;) {
        tokens.push_back(id);
    }
    llama_batch batch = llama_batch_init(tokens.size(), 0, 1);
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    batch.n_tokens = tokens.size();
    if (llama_decode(context, batch)) {
        fprintf(stderr, "llama_decode failed\n");
        return 1;
    }
    int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (size_t i = 0; i < tokens.size(); i++) {
        fwrite(llama_get_logits_ith(context, i), sizeof(float), vocabulary, out);
    }
    return fclose(out) ? 1 : 0;
}
