"""The page of `test_streamlit.py`: Streamlit runs it for each visitor."""

import streamlit as st

from authflow.integrations.streamlit import page

here = page("globex" if "down" in st.query_params else "acme", every=0.2)
here.user_card()
here.button()
if here.session:
    st.write(f"the books of {here.session.user.name}")
